// Asks for passkeys and security keys (WebAuthn), on the pages that want one. What it adds is hidden until it runs, and every
// page that loads it has another way. Nothing is fetched: an answer goes back as the form it belongs to.

const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
const textOf = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

const isPossible = window.PublicKeyCredential !== undefined && navigator.credentials !== undefined

/** A question with its binary parts, as browsers take it. */
function publicKeyOf(question) {
  const described = (list = []) => list.map((one) => ({ ...one, id: bytesOf(one.id) }))
  return {
    ...question,
    challenge: bytesOf(question.challenge),
    ...(question.user && { user: { ...question.user, id: bytesOf(question.user.id) } }),
    ...(question.excludeCredentials && { excludeCredentials: described(question.excludeCredentials) }),
    ...(question.allowCredentials && { allowCredentials: described(question.allowCredentials) }),
  }
}

function answerOf(credential) {
  const { response } = credential
  const parts = { clientDataJSON: textOf(response.clientDataJSON) }
  if (response.attestationObject === undefined) {
    parts.authenticatorData = textOf(response.authenticatorData)
    parts.signature = textOf(response.signature)
    if (response.userHandle) parts.userHandle = textOf(response.userHandle)
  } else {
    parts.attestationObject = textOf(response.attestationObject)
    parts.transports = response.getTransports?.() ?? []
  }
  const { credProps } = credential.getClientExtensionResults()
  return JSON.stringify({
    id: credential.id,
    rawId: textOf(credential.rawId),
    type: credential.type,
    response: parts,
    clientExtensionResults: credProps ? { credProps } : {},
  })
}

/** Only one question may stand in a browser: the one that waits for a name to be filled in makes way. */
let waiting

async function ask(form, more = {}) {
  const publicKey = publicKeyOf(JSON.parse(form.dataset.question))
  waiting?.abort()
  const mine = new AbortController()
  waiting = mine
  const options = { publicKey, signal: mine.signal, ...more }
  const { credentials } = navigator
  return answerOf(await ('makes' in form.dataset ? credentials.create(options) : credentials.get(options)))
}

function send(form, answer) {
  form.elements.answer.value = answer
  const tick = document.querySelector('input[type=checkbox][name=keep]')
  if (tick !== null && form.elements.keep?.type === 'hidden') form.elements.keep.value = tick.checked ? 'yes' : ''
  form.submit()
}

const words = {
  NotAllowedError: 'cancelled',
  AbortError: 'cancelled',
  InvalidStateError: 'exists',
  SecurityError: 'elsewhere',
}

/** A passkey may be chosen where a username is typed: the browser offers it there, and asks nothing before. */
async function fillIn(form) {
  if (!('conditional' in form.dataset)) return
  try {
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return
    send(form, await ask(form, { mediation: 'conditional' }))
  } catch {
    // Made way for the button, or nothing was chosen.
  }
}

/** By when the question has become too old to begin with, ms. The gateway takes an answer for five minutes. */
const OLD_MS = 200_000

for (const form of document.querySelectorAll('form[data-question]')) {
  const status = form.querySelector('[data-asked-status]')
  const say = (what) => {
    status.textContent = status.dataset[what] ?? ''
  }
  for (const notice of form.querySelectorAll('[data-without-script]')) notice.hidden = true
  if (!isPossible) {
    say('impossible')
    continue
  }
  const button = form.querySelector('[data-asks]')
  let isBusy = false
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (isBusy) return
    isBusy = true
    for (const fault of form.querySelectorAll('[data-asked-fault]')) fault.hidden = true
    say('working')
    try {
      send(form, await ask(form))
    } catch (error) {
      say(words[error.name] ?? 'failed')
      button.focus()
      fillIn(form)
    }
    isBusy = false
  })
  button.hidden = false
  fillIn(form)
  // A tab that was left open comes back with a question that still stands, unless somebody is typing.
  setTimeout(() => {
    const isTyped = [...document.querySelectorAll('input')].some(({ type, value, defaultValue }) => {
      return type !== 'hidden' && type !== 'checkbox' && value !== defaultValue
    })
    if (!isBusy && !isTyped) location.replace(form.dataset.here)
  }, OLD_MS)
}

// What was removed here is offered by browsers and password managers until they are told.
for (const place of document.querySelectorAll('[data-signals]')) {
  const tell = async (name, what) => {
    try {
      await window.PublicKeyCredential?.[name]?.(what)
    } catch {
      // One that cannot be told keeps what it has; the gateway refuses it.
    }
  }
  for (const { unknown, accepted, details } of JSON.parse(place.dataset.signals)) {
    for (const one of unknown) await tell('signalUnknownCredential', one)
    for (const one of accepted) await tell('signalAllAcceptedCredentials', one)
    for (const one of details) await tell('signalCurrentUserDetails', one)
  }
}

// Whether this device could keep a passkey: somebody who signs in without one is offered to make one, now and then.
for (const field of document.querySelectorAll('[data-capable]')) {
  const isCapable = await window.PublicKeyCredential?.isUserVerifyingPlatformAuthenticatorAvailable?.().catch(
    () => false,
  )
  if (isCapable) field.value = 'yes'
}
