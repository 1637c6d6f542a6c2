import { existsSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { Marked, type Tokens } from 'marked'
import { relativeLink, root, type Source } from './pages.js'

/** A page of the site, and what the search knows about it. */
export interface Rendered {
  readonly source: Source
  readonly title: string
  readonly html: string
  readonly sections: readonly Section[]
  /** Files of the repository that it links to and that are no pages: they are copied beside it. */
  readonly files: readonly string[]
}

/** The text between two headings. */
export interface Section {
  readonly title: string
  readonly anchor: string
  readonly text: string
}

/**
 * Makes HTML of Markdown. Links to other Markdown files become links to their pages, and links to other files of the
 * repository to copies of them; a folder is no file, so its name stands without a link.
 * @param pages every page by its Markdown file
 * @throws where a link leads to nothing in the repository
 */
export function render(source: Source, pages: ReadonlyMap<string, Source>): Rendered {
  const files: string[] = []
  const anchors = new Map<unknown, string>()
  const markdown = new Marked({
    renderer: {
      heading(token: Tokens.Heading) {
        const id = anchors.get(token) ?? ''
        const self = `<a class="anchor" href="#${id}" aria-label="Link to this section">#</a>`
        return `<h${token.depth} id="${id}">${this.parser.parseInline(token.tokens)} ${self}</h${token.depth}>\n`
      },
      link({ href, tokens }: Tokens.Link) {
        const text = this.parser.parseInline(tokens)
        const target = targetOf(href, source, pages, files)
        return target === undefined ? text : `<a href="${escapeHtml(target)}">${text}</a>`
      },
      table({ header, rows }: Tokens.Table) {
        const row = (cells: Tokens.TableCell[], tag: string) =>
          `<tr>${cells.map(({ tokens }) => `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`).join('')}</tr>\n`
        const body = rows.map((cells) => row(cells, 'td')).join('')
        return `<div class="wide"><table><thead>${row(header, 'th')}</thead><tbody>${body}</tbody></table></div>\n`
      },
      // Nothing in the papers is HTML: what looks like it is text.
      html: ({ text }: Tokens.HTML | Tokens.Tag) => escapeHtml(text),
    },
  })
  const tokens = markdown.lexer(source.text)
  const sections: { title: string; anchor: string; text: string }[] = []
  const taken = new Map<string, number>()
  for (const token of tokens) {
    if (token.type === 'heading') {
      const title = plain(token['text'])
      const anchor = anchorOf(title, taken)
      anchors.set(token, anchor)
      sections.push({ title, anchor, text: '' })
      continue
    }
    const section = sections.at(-1)
    if (section !== undefined) section.text += ` ${plain(token.raw)}`
  }
  return { source, title: sections[0]?.title ?? source.file, html: markdown.parser(tokens), sections, files }
}

/** `undefined` for a folder. */
function targetOf(href: string, from: Source, pages: ReadonlyMap<string, Source>, files: string[]): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(href)) return href
  const [path = '', anchor] = href.split('#')
  const hash = anchor === undefined ? '' : `#${anchor}`
  if (path === '') return hash
  const file = posix.join(posix.dirname(from.file), path).replace(/\/$/, '')
  const page = pages.get(file)
  if (page !== undefined) return relativeLink(from.page, page.page) + hash
  const place = join(root, file)
  if (!existsSync(place)) throw new Error(`${from.file} links to ${href}, which is not there`)
  if (statSync(place).isDirectory()) return undefined
  files.push(file)
  return relativeLink(from.page, copyOf(file))
}

/** Where the copy of a file of the repository lies in the site; as text, so that browsers show it. */
export function copyOf(file: string): string {
  return `files/${file}.txt`
}

/** As forges make them: lower case, blanks to dashes, a number where there is one already. */
function anchorOf(title: string, taken: Map<string, number>): string {
  const base = title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-')
  const count = taken.get(base) ?? 0
  taken.set(base, count + 1)
  return count === 0 ? base : `${base}-${count}`
}

/** Markdown without its marks. */
function plain(markdown: string): string {
  return markdown
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*|#>]|^\s*[-:| ]+$/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim()
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
