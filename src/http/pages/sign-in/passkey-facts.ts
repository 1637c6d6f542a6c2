import type { Visit } from '../visit.js'

/**
 * What the sign-in page asks a browser for that has a passkey; nothing where none may be given there. Its nonce is a token of this
 * page and this browser, so a question costs no entry in the store, however often a stranger asks for the page.
 */
export function passkeyFacts(visit: Visit, returnTo: string): object {
  const { browserSignIn, prefix, assets } = visit.parts
  if (!browserSignIn.isOffered) return {}
  const nonce = visit.formTokenForAnybody('passkey')
  const question = browserSignIn.ask(nonce)
  return {
    passkey: {
      nonce,
      question: JSON.stringify(question),
      script: prefix + assets.path('passkeys.js'),
      here: visit.own('/sign-in', returnTo),
    },
  }
}
