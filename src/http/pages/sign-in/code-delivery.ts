import type { FastifyReply } from 'fastify'
import type { Method, SendOutcome, SentView } from '../../../identity/sign-in/sign-in.js'
import { showThrottled } from '../refusals.js'
import type { Visit } from '../visit.js'

/** While a code is on its way the page asks again after so many seconds; by then most have arrived. */
const LOOK_AGAIN_SECONDS = 3

/** What the pages that take a code show about it. `sent` is left out where the method sends nothing. */
export function sentFacts(
  method: Method | undefined,
  sent: SentView | undefined,
  { sendTo, here }: { readonly sendTo: string; readonly here: string },
): object {
  if (sent === undefined) return { asks: true }
  return {
    sent,
    /** Whether there is a code to type. Not while it is on its way: looking again would empty the field. */
    asks: sent.code !== undefined && sent.code.state !== 'sending',
    byWhat: method?.to?.includes('@') ? 'e-mail' : 'text message',
    sendTo,
    here,
    // Said in the title as well, which screen readers begin with.
    ...(sent.trouble === undefined ? {} : { fault: 'not-sent' }),
  }
}

/** The page comes again by itself while the code is on its way. */
export function lookAgain(visit: Visit, sent: SentView | undefined, here: string): void {
  if (sent?.code?.state === 'sending') visit.reply.header('refresh', `${LOOK_AGAIN_SECONDS};url=${here}`)
}

/** After a code was asked for: back to the page, which says where it went; or the page at once, when it has to wait. */
export async function afterSending(
  visit: Visit,
  outcome: SendOutcome,
  here: string,
  page: () => Promise<{ readonly name: string; readonly data: object } | undefined>,
): Promise<FastifyReply> {
  if (outcome.outcome === 'throttled') return showThrottled(visit, outcome.retryAfterSeconds, here)
  const isHeldUp = outcome.outcome === 'wait' || outcome.outcome === 'limited'
  const shown = isHeldUp ? await page() : undefined
  if (!isHeldUp || shown === undefined) return visit.goTo(here)
  const fault = outcome.outcome === 'wait' ? { fault: 'wait' } : {}
  return visit.refuse('sending.wait', shown.name, { ...shown.data, ...fault }, outcome.retryAfterSeconds)
}
