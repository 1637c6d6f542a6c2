/** Every error a person or a program can meet: name = code, sentence, status. Sentences end up on pages and in JSON. */
export const errors = {
  'request.malformed': { status: 400, sentence: 'The request could not be understood, so it was not passed on.' },
  'request.target': { status: 400, sentence: 'The address of the request is ambiguous, so it was not passed on.' },
  'request.encoded-slash': {
    status: 400,
    sentence:
      'The address has an encoded slash (%2F), which programs read in different ways, so it was not passed on. ' +
      'Where this application needs it, whoever runs the gateway lets it pass with paths: { encodedSlash: pass } at its site.',
  },
  'request.empty-segment': {
    status: 400,
    sentence:
      'The address has two slashes in a row, which programs read in different ways, so it was not passed on. ' +
      'Where this application needs it, whoever runs the gateway lets it pass with paths: { emptySegment: pass } at its site.',
  },
  'request.backslash': {
    status: 400,
    sentence:
      'The address has a backslash, which programs read in different ways, so it was not passed on. ' +
      'Where this application needs it, whoever runs the gateway lets it pass with paths: { backslash: pass } at its site.',
  },
  'request.double-escape': {
    status: 400,
    sentence:
      'The address has an escape within an escape (as in %2520), which programs read in different ways, so it was not passed on. ' +
      'Where this application needs it, whoever runs the gateway lets it pass with paths: { doubleEscape: pass } at its site.',
  },
  'request.method-override': {
    status: 400,
    sentence:
      'The request says in its headers that its method is another one, and not clearly which, so it was not passed on.',
  },
  'request.host': { status: 400, sentence: 'The request names no host, or more than one.' },
  'request.headers-too-large': { status: 431, sentence: 'The request has too many header fields.' },
  'request.body-too-large': { status: 413, sentence: 'The form is larger than any form of ours can be.' },
  'request.content-type': { status: 415, sentence: 'The form arrived in a format this page does not read.' },
  'request.cross-site': {
    status: 403,
    sentence: 'The form was not sent from this page, so nothing was done. Open the page again and send it from there.',
  },
  'request.expectation': { status: 417, sentence: 'The request expects something that is not done here.' },
  'request.timeout': { status: 408, sentence: 'The request did not arrive in time.' },
  'not-found': {
    status: 404,
    sentence: 'There is nothing at this address. Check that it was typed correctly.',
  },
  'method-not-allowed': { status: 405, sentence: 'This address does not take that kind of request.' },
  'method.unknown': {
    status: 501,
    sentence: 'The method of this request is none the gateway knows, so the request was not passed on.',
  },
  'forward-auth.peer': {
    status: 403,
    sentence: 'This address is for proxies that the configuration lists, and this is none of them.',
  },
  'forward-auth.unclear': {
    status: 400,
    sentence: 'The proxy in front did not say clearly which request this is about, so it was not passed on.',
  },
  'site.unknown': { status: 404, sentence: 'No application is served under this host name.' },
  'access.denied': { status: 403, sentence: 'You are not allowed to open this.' },
  'sign-in.required': { status: 401, sentence: 'Sign in first.' },
  'sign-in.second-factor-required': { status: 401, sentence: 'A second factor is needed: sign in again with a code.' },
  'sign-in.reauthentication-required': {
    status: 401,
    sentence: 'You proved who you are too long ago for this. Prove it again, then go on.',
  },
  'sign-in.enrolment-required': { status: 401, sentence: 'A second factor must be set up before this can be opened.' },
  'portal.elsewhere': {
    status: 403,
    sentence: 'This form is not taken under this address. Open the page again and send it from there.',
  },
  'arrive.refused': {
    status: 400,
    sentence: 'You are signed in, and it could not be carried over to this address. Open the application again.',
  },
  'sign-in.refused': { status: 422, sentence: 'The username or the password is not right.' },
  'sign-in.wrong-code': { status: 422, sentence: 'The code is not right.' },
  'sign-in.expired': { status: 400, sentence: 'This page was open too long. Start again.' },
  'sign-in.no-cookies': {
    status: 400,
    sentence: 'This browser did not send back the cookie of the page. Allow cookies for this address, then try again.',
  },
  'sign-in.locked': {
    status: 429,
    sentence:
      'There were too many wrong passwords in a row, so none is taken here any more. Have a login link mailed to you, or ask support.',
  },
  'sign-in.throttled': { status: 429, sentence: 'There were too many tries. Wait, then try again.' },
  'api.credentials': {
    status: 401,
    sentence: 'The user name, password or token is not right, or is not taken here.',
  },
  'token.insufficient-scope': { status: 403, sentence: 'This token is not for that: its scope does not reach so far.' },
  'token.rate-limited': { status: 429, sentence: 'This token was used too often. Wait, then go on.' },
  'link.over': { status: 410, sentence: 'This link has expired or was used already. Ask for a new one.' },
  'setup.over': {
    status: 410,
    sentence: 'This link has expired or was used already, or there is an owner. gatelodge setup-link prints a new one.',
  },
  'setup.refused': { status: 422, sentence: 'Nobody was made an owner: something in the form is not right.' },
  'help.incomplete': { status: 422, sentence: 'The username or e-mail address is missing, or is not one.' },
  'help.held': { status: 429, sentence: 'Too many mails are being asked for. Wait, then send the form again.' },
  'account.refused': { status: 422, sentence: 'This could not be changed: something in the form is not right.' },
  'user.unknown': { status: 404, sentence: 'There is no such user.' },
  'operation.file-too-large': {
    status: 413,
    sentence: 'The file is too large for one request: import it in parts, or at the command line.',
  },
  'operation.input': { status: 422, sentence: 'Something in the input is missing, or is not what is asked for.' },
  'operation.refused': { status: 409, sentence: 'This cannot be done as things stand.' },
  'operation.unconfirmed': { status: 403, sentence: 'This has to be confirmed with a code, then it is done.' },
  'operation.unproven': {
    status: 403,
    sentence: 'Prove again who you are, with both factors, then send it once more.',
  },
  'api.token-required': { status: 401, sentence: 'Send an application token that was issued for administration.' },
  'idempotency.malformed': { status: 400, sentence: 'An Idempotency-Key has 1 to 255 visible ASCII characters.' },
  'token.scope': {
    status: 403,
    sentence: 'This token was not issued for that: owners and backups need a token with admin:owners or admin:backup.',
  },
  'idempotency.underway': { status: 409, sentence: 'The same request is being worked on. Ask again in a moment.' },
  'idempotency.other': { status: 422, sentence: 'This Idempotency-Key was used for another request.' },
  'password.busy': {
    status: 503,
    sentence: 'Too many people are signing in at this moment. Try again in a few seconds.',
  },
  'sending.wait': { status: 429, sentence: 'No other code can be sent yet. Wait, then ask for one again.' },
  overloaded: { status: 503, sentence: 'Too much is going on here at this moment. Try again in a few seconds.' },
  'upgrade.refused': { status: 403, sentence: 'This connection was not opened from a page of this application.' },
  'service-worker.refused': {
    status: 403,
    sentence: 'A service worker at this address would control the sign-in pages of this host, so it is not served.',
  },
  'upgrade.limit': { status: 503, sentence: 'Too many connections are open. Try again later.' },
  'upstream.none': {
    status: 502,
    sentence: 'This application is not reached this way: the proxy in front of it has to ask first.',
  },
  'upstream.unreachable': {
    status: 502,
    sentence: 'The application behind this page does not answer. It may be starting: try again in a moment.',
  },
  'upstream.closed': {
    status: 502,
    sentence: 'The application behind this page ended the connection before it had answered. Try again in a moment.',
  },
  'upstream.invalid': {
    status: 502,
    sentence:
      'The application behind this page gave an answer that could not be understood. Try again; if it goes on, tell whoever runs the application.',
  },
  'upstream.busy': { status: 503, sentence: 'The application behind this page is busy. Try again in a few seconds.' },
  'upstream.timeout': {
    status: 504,
    sentence: 'The application behind this page took too long to answer. Try again in a moment.',
  },
  'store.unavailable': {
    status: 503,
    sentence: 'Signing in is not possible at the moment. Try again in a few seconds.',
  },
  'directory.unavailable': {
    status: 503,
    sentence: 'Signing in is not possible at the moment. Try again in a few seconds.',
  },
  internal: { status: 500, sentence: 'Something went wrong here. It was written down under the number below.' },
} as const satisfies Record<string, { status: number; sentence: string }>

export type ErrorCode = keyof typeof errors

/** Thrown where the truth is known, answered in one place (`http/errors.ts`). Carries nothing secret. */
export class GatelodgeError extends Error {
  override readonly name = 'GatelodgeError'
  readonly code: ErrorCode
  readonly statusCode: number
  /** Becomes `Retry-After`. */
  readonly retryAfterSeconds: number | undefined
  /** Said with the answer, in lower case. */
  readonly headers: Readonly<Record<string, string>> | undefined
  /** Sentences of ours that go on after that of the table. */
  readonly detail: string | undefined
  /** The address of a page of ours that helps, for whoever looks at one: path and query, or in full. */
  readonly way: string | undefined
  constructor(
    code: ErrorCode,
    more: {
      cause?: unknown
      retryAfterSeconds?: number
      headers?: Readonly<Record<string, string>>
      detail?: string
      way?: string
    } = {},
  ) {
    super(errors[code].sentence, more.cause === undefined ? undefined : { cause: more.cause })
    this.code = code
    this.statusCode = errors[code].status
    this.retryAfterSeconds = more.retryAfterSeconds
    this.headers = more.headers
    this.detail = more.detail
    this.way = more.way
  }
}
