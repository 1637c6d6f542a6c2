import type { FastifyReply } from 'fastify'
import type { LinkView } from '../../../identity/sign-in/link-sign-in.js'
import { doConfirmed } from '../confirmed.js'
import { showSignedIn, showThrottled } from '../refusals.js'
import type { Visit } from '../visit.js'
import { isBrief, keepFacts } from './keep-signed-in.js'

/**
 * The page a mailed link leads to. It changes nothing: mail scanners and previews follow links, and one that signed in by
 * being followed would be used up, or used, before its owner reads the mail.
 */
export async function showLink(visit: Visit): Promise<FastifyReply> {
  return showLinkOf(visit, visit.parameter('token'))
}

/** The button was pressed. From here on the link is in no address any more. */
export async function submitLink(visit: Visit): Promise<FastifyReply> {
  const { linkSignIn, pagePolicy, strangers } = visit.parts
  const token = visit.field('link')
  const client = pagePolicy.client(visit.request)
  const wait = strangers.enter('link', client)
  if (wait !== undefined) return showThrottled(visit, wait, `${visit.own('/link')}?${new URLSearchParams({ token })}`)
  const fault = visit.formFault('link')
  if (fault !== undefined) return showLinkOf(visit, token, fault)
  const view = await linkSignIn.look(token, visit.pendingToken)
  const returnTo = placeAfter(visit, view)
  const result = await linkSignIn.redeem(token, {
    pendingToken: visit.pendingToken,
    isConfirmed: visit.field('confirmed') === 'yes',
    returnTo,
    policy: pagePolicy.asks(visit.request, returnTo),
    client,
    ...(visit.sessionToken === undefined ? {} : { sessionToken: visit.sessionToken }),
    isBrief: isBrief(visit),
  })
  if (result.outcome === 'over') return showOver(visit)
  if (result.outcome === 'unconfirmed') return showLinkOf(visit, token)
  if (result.outcome === 'session') {
    visit.startSession(result)
    const done = 'returnTo' in result ? await doConfirmed(visit, result.returnTo, result.token) : undefined
    if (done !== undefined) return done
    return visit.goTo('returnTo' in result ? visit.returnPath(result.returnTo) : returnTo)
  }
  visit.startPending(result.pendingToken)
  return visit.goTo(visit.own(`/${result.outcome}`, returnTo))
}

async function showLinkOf(visit: Visit, link: string, fault?: 'expired' | 'no-cookies'): Promise<FastifyReply> {
  const view = await visit.parts.linkSignIn.look(link, visit.pendingToken)
  if (view.state === 'over') return showOver(visit)
  if (view.state === 'other-browser')
    return visit.page('link', { state: view.state, startAgain: visit.own('/sign-in') })
  const { state, kind, username } = view
  const open = await visit.session()
  const data = {
    returnTo: placeAfter(visit, view),
    state,
    kind,
    username,
    /** Whoever is signed in here now, if somebody else. */
    signedInAs: open?.account.username === username ? undefined : open?.account.username,
    link,
    token: visit.formTokenForAnybody('link'),
    startAgain: visit.own('/sign-in'),
    // The second step of a sign-in is kept as its first one says.
    ...(view.purpose === 'second-factor' ? {} : keepFacts(visit)),
  }
  return fault === undefined ? visit.page('link', data) : visit.refuseForm(fault, 'link', data)
}

async function showOver(visit: Visit): Promise<FastifyReply> {
  const { linkSignIn, pagePolicy } = visit.parts
  const isForm = visit.field('return') !== ''
  const open = isForm ? await visit.session() : undefined
  const returnTo = visit.returnPath(visit.field('return'))
  // A form sent twice: the first time it did its work, and the browser stopped on the way on.
  if (open !== undefined && pagePolicy.outcome(visit.request, returnTo, open) === 'allow') {
    return showSignedIn(visit, returnTo)
  }
  return visit.refuse('link.over', 'link-over', {
    askAgain: linkSignIn.isOffered ? visit.own('/sign-in/link') : undefined,
    help: visit.own('/help'),
    startAgain: visit.own('/sign-in'),
  })
}

/** Whoever asked for help is brought to where the password can be changed; the others to where they wanted to go. */
function placeAfter(visit: Visit, view: LinkView): string {
  if (!('kind' in view)) return visit.start
  return view.kind === 'login' ? visit.own('/account/password') : visit.returnPath(view.returnTo ?? '')
}
