import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../../', import.meta.url))

/** A Markdown file of the repository, and where its page lies in the site. */
export interface Source {
  /** As in `docs/store.md`. */
  readonly file: string
  /** As in `docs/store.html`. */
  readonly page: string
  readonly text: string
}

/** In the order of the navigation; what a chapter does not name stands under "More". */
const chapters: Readonly<Record<string, readonly string[]>> = {
  Start: ['README.md'],
  'Who may do what': ['docs/policy.md', 'docs/settings.md', 'docs/explain.md', 'docs/guessing.md'],
  Users: [
    ...['docs/directories.md', 'docs/import.md', 'docs/second-factors.md', 'docs/passkeys.md'],
    ...['docs/links.md', 'docs/ways-back.md'],
  ],
  Applications: ['docs/applications.md', 'docs/identity.md', 'docs/one-sign-in.md', 'docs/api-clients.md'],
  Operation: [
    ...['docs/operations.md', 'docs/store.md', 'docs/administration.md', 'docs/audit.md', 'docs/api.md'],
    ...['docs/connections.md', 'docs/security.md', 'docs/performance.md', 'docs/forward-auth.md'],
  ],
  Recipes: [],
  Development: ['docs/plugins.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
}

/** Every page of the site by chapter. A new file of docs/ is in it without being named here. */
export function sources(): ReadonlyMap<string, readonly Source[]> {
  const found = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => posix.join('docs', name.replaceAll('\\', '/')))
    .sort()
  const named = new Set(Object.values(chapters).flat())
  const rest = found.filter((file) => !named.has(file))
  const recipes = rest.filter((file) => file.startsWith('docs/recipes/'))
  const more = rest.filter((file) => !recipes.includes(file))
  const all = { ...chapters, Recipes: recipes, ...(more.length > 0 ? { More: more } : {}) }
  return new Map(Object.entries(all).map(([chapter, files]) => [chapter, files.map(sourceOf)]))
}

function sourceOf(file: string): Source {
  const page = file === 'README.md' ? 'index.html' : file.replace(/\.md$/, '.html')
  return { file, page, text: readFileSync(join(root, file), 'utf8') }
}

/** A link from one page to another place of the site, relative, so that it works from a disk. */
export function relativeLink(from: string, to: string): string {
  return posix.relative(dirname(from), to) || posix.basename(to)
}
