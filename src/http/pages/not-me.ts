import type { FastifyReply } from 'fastify'
import type { Visit } from './visit.js'

/** Says what the button will do. A mail scanner that follows every link must not sign anybody out. */
export async function showNotMe(visit: Visit): Promise<FastifyReply> {
  const done = visit.parameter('done')
  if (done === 'link' || done === 'support') return visit.page('not-me', { step: 'done', done })
  const link = visit.parameter('token')
  const view = await visit.parts.notMe.look(link)
  if (view === undefined) return visit.refuse('link.over', 'not-me', { step: 'void' })
  const token = visit.formTokenForAnybody('not-me')
  return visit.page('not-me', { step: 'ask', username: view.username, notice: view.notice, link, token })
}

export async function submitNotMe(visit: Visit): Promise<FastifyReply> {
  const { notMe, entrance } = visit.parts
  const link = visit.field('link')
  if (!visit.hasFormToken('not-me', visit.pendingToken)) {
    // A page that was open too long: the same page once more, with a form that is new.
    const again = new URLSearchParams({ token: link })
    return visit.goTo(`${visit.own('/not-me')}?${again}`)
  }
  const result = await notMe.redeem(link, entrance.client(visit.request))
  if (result === undefined) return visit.refuse('link.over', 'not-me', { step: 'void' })
  // Unless somebody else is signed in on this browser, its cookie is worth nothing any more.
  if ((await visit.session()) === undefined) visit.endSession()
  else visit.forgetPending()
  return visit.goTo(`${visit.own('/not-me')}?done=${result.isRecovering ? 'link' : 'support'}`)
}
