// What a page can do beyond its forms. Everything works without this file; what it adds is hidden until it runs.

for (const button of document.querySelectorAll('[data-show-password]')) {
  const field = document.getElementById(button.getAttribute('aria-controls'))
  const hidden = [button.textContent, button.getAttribute('aria-label')]
  const shown = [button.dataset.hideText, button.dataset.hideLabel]
  const press = (readable) => {
    const [text, label] = readable ? shown : hidden
    field.type = readable ? 'text' : 'password'
    button.textContent = text
    button.setAttribute('aria-label', label)
  }
  button.addEventListener('click', () => press(field.type === 'password'))
  // A password left readable would be kept by the browser as an ordinary entry of a text field.
  field.form.addEventListener('submit', () => press(false))
  button.hidden = false
}

for (const button of document.querySelectorAll('[data-copy]')) {
  if (navigator.clipboard === undefined) continue
  const say = document.getElementById(button.dataset.say)
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy)
      say.textContent = button.dataset.doneText
    } catch {
      say.textContent = button.dataset.failedText
    }
  })
  button.hidden = false
}

for (const button of document.querySelectorAll('[data-print]')) {
  button.addEventListener('click', () => print())
  button.hidden = false
}

for (const place of document.querySelectorAll('[data-countdown]')) {
  const end = performance.now() + Number(place.dataset.countdown) * 1000
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000))
    place.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`
    if (left > 0) return
    clearInterval(timer)
    for (const sign of document.querySelectorAll('[data-after-countdown]')) sign.hidden = false
    for (const sign of document.querySelectorAll('[data-until-countdown]')) sign.hidden = true
  }
  const timer = setInterval(tick, 1000)
  tick()
}

// A code is complete with the last digit that somebody types or pastes: it goes by itself, once. What a browser or a password
// manager fills in is left to them and to the button.
for (const field of document.querySelectorAll('input[data-digits]')) {
  const { form } = field
  const digits = Number(field.dataset.digits)
  let isSent = false
  let isByHand = false
  field.addEventListener('keydown', () => {
    isByHand = true
  })
  // A second press while the answer is on its way would use a try up.
  form.addEventListener('submit', (event) => {
    if (isSent) event.preventDefault()
    isSent = true
  })
  // Back from the answer, it may be sent again.
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) isSent = false
  })
  field.addEventListener('input', ({ inputType }) => {
    if (inputType === 'insertFromPaste') isByHand = true
    const typed = field.value.replace(/[\s-]/g, '')
    if (isByHand && !isSent && typed.length === digits && /^\d+$/.test(typed)) form.requestSubmit()
  })
}

// A place within a page, as in `/app#/orders/5`: half of today's applications route by it. Only the browser knows it, and
// keeps it over redirects by itself, also to another host; forms and links of ours hand it on here. Nobody else is told.
const looksAgain = document.querySelector('[data-looks-again]') !== null
const place = keptPlace()
const isOfThisPage = place.length < 2 || document.getElementById(place.slice(1)) !== null
if (!isOfThisPage) {
  // Not `form.action`: a field of that name would hide it.
  for (const form of document.forms)
    form.setAttribute('action', `${form.getAttribute('action') ?? location.href.split('#')[0]}${place}`)
  for (const link of document.querySelectorAll('main a[href]')) {
    const { origin, hash, protocol } = link
    if (origin === location.origin && hash === '' && protocol !== 'javascript:') link.href += place
  }
}

// A page that the browser loads anew by itself, while a code is on its way, is loaded without it.
function keptPlace() {
  const kept = 'gatelodge-place'
  try {
    const [page, before] = JSON.parse(sessionStorage.getItem(kept) ?? '[]')
    // An application that shares this origin can write there: anything but a place would change where forms go.
    const isKept = page === location.pathname + location.search && typeof before === 'string' && before.startsWith('#')
    const place = location.hash || (isKept ? before : '')
    if (looksAgain) sessionStorage.setItem(kept, JSON.stringify([location.pathname + location.search, place]))
    else sessionStorage.removeItem(kept)
    return place
  } catch {
    // Storage is blocked.
    return location.hash
  }
}

// What another site sent comes once more, from here.
const sending = document.querySelector('[data-sends-itself]')
// Not `form.submit()`: a field of that name would hide it.
if (sending !== null) HTMLFormElement.prototype.submit.call(sending)

// Signed in, but the application sends the visitor on to another site: Chromium takes that for the form's own doing and
// stops it (form-action covers redirects). A link may go there, so the way from here on is one.
const onward = document.querySelector('[data-onward]')
if (onward?.dataset.goesOn !== undefined) goOn('replace')
document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
  if (effectiveDirective === 'form-action' && onward !== null) goOn('assign')
})

function goOn(how) {
  const way = new URL(onward.dataset.onward, location)
  // A path of this host, as the gateway wrote it; whatever else a page may have got in there is none.
  if (way.origin === location.origin) location[how](isOfThisPage ? way.href : way.href + place)
}

// Times at the desk in the reader's own zone; UTC is shown to whoever points at them.
for (const time of document.querySelectorAll('time[data-local]')) {
  const at = new Date(time.dateTime)
  const { lang } = document.documentElement
  if (time.dataset.local === 'after') time.textContent += `, ${at.toLocaleTimeString(lang, { timeStyle: 'short' })}`
  else time.textContent = at.toLocaleString(lang, { dateStyle: 'long', timeStyle: 'short' })
}

// One key leads to the search of the desk, from wherever nothing is typed.
for (const field of document.querySelectorAll('[data-slash]')) {
  field.placeholder += ' (/)'
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.target instanceof Element && event.target.matches('input, select, textarea')) return
    field.focus()
    field.select()
    event.preventDefault()
  })
}

// Searching in a list while typing. Without this the form asks for the page with what matches.
for (const form of document.querySelectorAll('[data-search]')) {
  const field = form.querySelector('input[type=search]')
  const list = document.getElementById(form.dataset.search)
  const status = document.querySelector('[data-none]')
  const fold = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
  const links = () => [...list.querySelectorAll('li:not([hidden]) > a')]
  const search = () => {
    const wanted = fold(field.value.trim())
    for (const item of list.children) {
      item.hidden = !fold(item.querySelector('[data-name]').textContent).includes(wanted)
    }
    status.textContent = links().length === 0 ? status.dataset.none : ''
  }
  field.addEventListener('input', search)
  // Enter opens the first that matches; what is typed is in no history of the browser.
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    links()[0]?.click()
  })
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const all = [field, ...links()]
    const at = all.indexOf(document.activeElement)
    if (event.key === '/' && at !== 0) field.focus()
    else if (event.key === 'ArrowDown' && at >= 0) all[Math.min(at + 1, all.length - 1)].focus()
    else if (event.key === 'ArrowUp' && at > 0) all[at - 1].focus()
    else return
    event.preventDefault()
  })
  form.querySelector('button').hidden = true
  search()
}
