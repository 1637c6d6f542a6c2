const form = document.getElementById('pin')
const field = form.elements.namedItem('text')
const state = document.getElementById('state')
const notices = document.getElementById('notices')
let socket

connect()

form.addEventListener('submit', (event) => {
  if (socket.readyState !== WebSocket.OPEN) return // the form goes the ordinary way
  event.preventDefault()
  socket.send(field.value)
  field.value = ''
  field.focus()
})

function connect() {
  socket = new WebSocket(`${location.origin.replace('http', 'ws')}/board/socket`)
  socket.addEventListener('open', () => say('Connected', true))
  socket.addEventListener('message', (event) => pin(JSON.parse(event.data)))
  socket.addEventListener('close', () => {
    say('Connection lost, trying again', false)
    setTimeout(connect, 2000)
  })
}

function say(text, isOpen) {
  state.textContent = text
  state.classList.toggle('open', isOpen)
}

function pin({ at, who, text }) {
  const item = document.createElement('li')
  for (const [name, content] of Object.entries({ time: at, b: who, span: text })) {
    const part = document.createElement(name)
    part.textContent = content
    item.append(part, ' ')
  }
  notices.append(item)
  while (notices.children.length > 60) notices.firstElementChild.remove()
}
