const state = document.getElementById('state')
const clock = document.getElementById('clock')
const lines = document.getElementById('lines')
const events = new EventSource('/log/events')

events.addEventListener('open', () => say('Connected', true))
events.addEventListener('error', () => say('Connection lost, trying again', false))
events.addEventListener('clock', (event) => {
  clock.textContent = event.data
})
events.addEventListener('line', (event) => {
  const { at, who, text } = JSON.parse(event.data)
  const item = document.createElement('li')
  for (const [name, content] of Object.entries({ time: at, b: who, span: text })) {
    const part = document.createElement(name)
    part.textContent = content
    item.append(part, ' ')
  }
  lines.append(item)
  while (lines.children.length > 60) lines.firstElementChild.remove()
})

function say(text, isOpen) {
  state.textContent = text
  state.classList.toggle('open', isOpen)
}
