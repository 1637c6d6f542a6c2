// Search over the index that the build makes. Every word typed has to stand in a section; titles count more than text.
const root = document.currentScript.dataset.root
const field = document.getElementById('search')
const results = document.getElementById('results')
const most = 12

const sections = (globalThis.searchIndex ?? []).map(([page, title, section, anchor, text]) => ({
  page,
  title,
  section,
  anchor,
  text,
  heads: `${title} ${section}`.toLowerCase(),
  lower: text.toLowerCase(),
}))

function find(typed) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return []
  const score = ({ heads, lower }) => {
    let sum = 0
    for (const word of words) {
      if (heads.includes(word)) sum += 10
      else if (lower.includes(word)) sum += 1
      else return 0
    }
    return sum
  }
  return sections
    .map((section) => ({ section, score: score(section) }))
    .filter((found) => found.score > 0)
    .sort((one, other) => other.score - one.score)
    .slice(0, most)
    .map((found) => ({ ...found.section, around: around(found.section, words[0]) }))
}

/** The words around the first hit. */
function around({ text, lower }, word) {
  const at = Math.max(0, lower.indexOf(word) - 40)
  return (at > 0 ? '…' : '') + text.slice(at, at + 120)
}

function show() {
  const found = find(field.value)
  results.replaceChildren(
    ...found.map(({ page, title, section, anchor, around }) => {
      const link = document.createElement('a')
      link.href = `${root}${page}#${anchor}`
      const name = document.createElement('strong')
      name.textContent = section === title ? title : `${title}: ${section}`
      const text = document.createElement('span')
      text.textContent = around
      link.append(name, text)
      const item = document.createElement('li')
      item.append(link)
      return item
    }),
  )
  if (found.length === 0) {
    const item = document.createElement('li')
    item.textContent = 'Nothing has all of these words.'
    results.append(item)
  }
  results.hidden = field.value.trim() === ''
}

field.closest('search').hidden = false
field.addEventListener('input', show)
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && !event.target.closest('input')) {
    event.preventDefault()
    field.focus()
  }
  if (event.key === 'Escape') results.hidden = true
  if (event.key === 'Enter' && event.target === field) results.querySelector('a')?.click()
})
