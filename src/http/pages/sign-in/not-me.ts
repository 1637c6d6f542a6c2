import type { FastifyReply } from 'fastify'
import { showThrottled } from '../refusals.js'
import type { Visit } from '../visit.js'

/** Says what the button will do. A mail scanner that follows every link must not sign anybody out. */
export async function showNotMe(visit: Visit): Promise<FastifyReply> {
  const done = visit.parameter('done')
  if (done === 'link' || done === 'support') return visit.page('not-me', { step: 'done', done })
  const link = visit.parameter('token')
  const view = await visit.parts.notMe.look(link)
  if (view === undefined) return visit.refuse('link.over', 'not-me', { step: 'void' })
  return visit.page('not-me', ask(visit, view, link))
}

function ask(visit: Visit, { username, notice }: { username: string; notice: string }, link: string): object {
  return { step: 'ask', username, notice, link, token: visit.formTokenForAnybody('not-me') }
}

export async function submitNotMe(visit: Visit): Promise<FastifyReply> {
  const { notMe, pagePolicy, strangers } = visit.parts
  const link = visit.field('link')
  const client = pagePolicy.client(visit.request)
  const wait = strangers.enter('not-me', client)
  if (wait !== undefined)
    return showThrottled(visit, wait, `${visit.own('/not-me')}?${new URLSearchParams({ token: link })}`)
  const fault = visit.formFault('not-me')
  const view = fault === 'no-cookies' ? await notMe.look(link) : undefined
  if (view !== undefined) return visit.refuseForm('no-cookies', 'not-me', ask(visit, view, link))
  if (fault !== undefined) {
    // A page that was open too long: the same page once more, with a form that is new.
    const again = new URLSearchParams({ token: link })
    return visit.goTo(`${visit.own('/not-me')}?${again}`)
  }
  const result = await notMe.redeem(link, client)
  if (result === undefined) return visit.refuse('link.over', 'not-me', { step: 'void' })
  // Unless somebody else is signed in on this browser, its cookie is worth nothing any more.
  if ((await visit.session()) === undefined) visit.endSession()
  else visit.forgetPending()
  return visit.goTo(`${visit.own('/not-me')}?done=${result.isRecovering ? 'link' : 'support'}`)
}
