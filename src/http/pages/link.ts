import type { FastifyReply } from 'fastify'
import type { LinkView } from '../../identity/link-sign-in.js'
import type { Visit } from './visit.js'

/**
 * The page a mailed link leads to. It changes nothing: mail scanners and previews follow links, and one that signed in by
 * being followed would be used up, or used, before its owner reads the mail.
 */
export async function showLink(visit: Visit): Promise<FastifyReply> {
  return showLinkOf(visit, visit.parameter('token'))
}

/** The button was pressed. From here on the link is in no address any more. */
export async function submitLink(visit: Visit): Promise<FastifyReply> {
  const { linkSignIn, entrance } = visit.parts
  const token = visit.field('link')
  if (!visit.hasFormToken('link', visit.pendingToken)) return showLinkOf(visit, token, 'expired')
  const view = await linkSignIn.look(token, visit.pendingToken)
  const returnTo = placeAfter(visit, view)
  const result = await linkSignIn.redeem(token, {
    pendingToken: visit.pendingToken,
    isConfirmed: visit.field('confirmed') === 'yes',
    returnTo,
    policy: entrance.asks(visit.request, returnTo),
    client: entrance.client(visit.request),
    ...(visit.sessionToken === undefined ? {} : { sessionToken: visit.sessionToken }),
  })
  if (result.outcome === 'over') return showOver(visit)
  if (result.outcome === 'unconfirmed') return showLinkOf(visit, token)
  if (result.outcome === 'session') {
    visit.startSession(result.token)
    return visit.goTo('returnTo' in result ? visit.returnPath(result.returnTo) : returnTo)
  }
  visit.startPending(result.pendingToken)
  return visit.goTo(visit.own(`/${result.outcome}`, returnTo))
}

async function showLinkOf(visit: Visit, link: string, notice?: 'expired'): Promise<FastifyReply> {
  const view = await visit.parts.linkSignIn.look(link, visit.pendingToken)
  if (view.state === 'over') return showOver(visit)
  if (view.state === 'other-browser')
    return visit.page('link', { state: view.state, startAgain: visit.own('/sign-in') })
  const { state, kind, username } = view
  const open = await visit.session()
  const data = {
    state,
    kind,
    username,
    notice,
    /** Whoever is signed in here now, if somebody else. */
    signedInAs: open?.account.username === username ? undefined : open?.account.username,
    link,
    token: visit.formTokenForAnybody('link'),
    startAgain: visit.own('/sign-in'),
  }
  return notice === undefined ? visit.page('link', data) : visit.refuse('sign-in.expired', 'link', data)
}

function showOver(visit: Visit): FastifyReply {
  const { linkSignIn } = visit.parts
  return visit.refuse('link.over', 'link-over', {
    askAgain: linkSignIn.isOffered ? visit.own('/sign-in/link') : undefined,
    help: visit.own('/help'),
    startAgain: visit.own('/sign-in'),
  })
}

/** Whoever asked for help is brought to where the password can be changed; the others to where they wanted to go. */
function placeAfter(visit: Visit, view: LinkView): string {
  if (!('kind' in view)) return '/'
  return view.kind === 'login' ? visit.own('/account/password') : visit.returnPath(view.returnTo ?? '/')
}
