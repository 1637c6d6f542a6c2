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

// Signed in, but the application sends the visitor on to another site: Chromium takes that for the form's own doing and
// stops it (form-action covers redirects). A link may go there, so the way from here on is one.
document.addEventListener('securitypolicyviolation', (event) => {
  const wanted = document.querySelector('form input[name=return]')
  if (event.effectiveDirective === 'form-action' && wanted !== null) location.assign(wanted.value)
})
