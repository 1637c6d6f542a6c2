/** `npm run docs`: makes `dist/docs-site` of the papers. It needs no server and no network: open `index.html` from the disk. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { relativeLink, root, type Source, sources } from './pages.js'
import { copyOf, escapeHtml, type Rendered, render } from './render.js'

const target = process.argv[2] ?? join(root, 'dist/docs-site')

rmSync(target, { recursive: true, force: true })
const chapters = sources()
const all = new Map([...chapters.values()].flat().map((source) => [source.file, source]))
const rendered = [...all.values()].map((source) => render(source, all))
const titles = new Map(rendered.map(({ source, title }) => [source, title]))

for (const page of rendered) write(page.source.page, layout(page))
for (const file of new Set(rendered.flatMap(({ files }) => files))) {
  mkdirSync(dirname(join(target, copyOf(file))), { recursive: true })
  cpSync(join(root, file), join(target, copyOf(file)))
}
for (const file of ['docs.css', 'docs.js']) cpSync(join(root, 'build/docs/assets', file), join(target, 'assets', file))
// A script and no JSON file: browsers fetch nothing from a disk.
write('assets/search-index.js', `globalThis.searchIndex = ${JSON.stringify(searchIndex())}\n`)
process.stdout.write(`${rendered.length} pages: ${join(target, 'index.html')}\n`)

/** One entry a section: page, title of the page, title of the section, anchor, text. */
function searchIndex(): readonly (readonly string[])[] {
  return rendered.flatMap(({ source, title, sections }) =>
    sections.map((section) => [source.page, title, section.title, section.anchor, section.text.trim()]),
  )
}

function layout({ source, title, html }: Rendered): string {
  const to = (path: string) => escapeHtml(relativeLink(source.page, path))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title === 'Gatelodge' ? title : `${title} · Gatelodge`)}</title>
<link rel="stylesheet" href="${to('assets/docs.css')}">
<script src="${to('assets/search-index.js')}" defer></script>
<script src="${to('assets/docs.js')}" defer data-root="${to('index.html').replace(/index\.html$/, '')}"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the text</a>
<header><a class="home" href="${to('index.html')}">Gatelodge</a>
<search hidden><input type="search" id="search" placeholder="Search" aria-label="Search the documentation" autocomplete="off"><ol id="results" hidden></ol></search></header>
<nav aria-label="Pages">${navigation(source)}</nav>
<main id="content" tabindex="-1">
${html}</main>
</body>
</html>
`
}

function navigation(here: Source): string {
  const item = (source: Source) => {
    const current = source === here ? ' aria-current="page"' : ''
    const href = escapeHtml(relativeLink(here.page, source.page))
    return `<li><a href="${href}"${current}>${escapeHtml(titles.get(source) ?? source.file)}</a></li>`
  }
  return [...chapters]
    .map(([name, pages]) => `<h2>${escapeHtml(name)}</h2>\n<ul>${pages.map(item).join('\n')}</ul>`)
    .join('\n')
}

function write(path: string, text: string): void {
  const file = join(target, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
