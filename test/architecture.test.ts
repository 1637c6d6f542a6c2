import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/** The import rules of the house: who may know whom. Read from the sources, so that nothing compiled away escapes. */

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** Room of a file: the folder under `src`, or the file's own name where it stands directly in `src`. */
const room = (file: string): string => {
  const parts = file.split('/')
  if (parts[0] !== 'src') return parts[0] ?? ''
  return parts.length === 2 ? (parts[1] ?? '').replace(/\.ts$/, '') : (parts[1] ?? '')
}

/** What each room of `src` may import, beside itself, npm packages and Node. */
const mayImport: Record<string, readonly string[]> = {
  contracts: [],
  errors: [],
  tracing: ['contracts', 'errors'],
  templates: ['contracts', 'errors'],
  access: ['contracts', 'errors'],
  audit: ['contracts', 'errors'],
  backup: ['contracts', 'errors'],
  imports: ['contracts', 'errors', 'identity'],
  messages: ['contracts', 'errors', 'templates', 'audit'],
  identity: ['contracts', 'errors', 'audit', 'messages'],
  'plugin-host': ['contracts', 'errors', 'config'],
  config: ['contracts', 'errors', 'access', 'plugin-host'],
  operations: ['contracts', 'errors', 'access', 'identity', 'messages', 'audit', 'backup', 'imports'],
  http: ['contracts', 'errors', 'templates', 'access', 'identity', 'messages', 'audit', 'operations', 'tracing'],
  commands: [
    'contracts',
    'errors',
    'access',
    'identity',
    'messages',
    'audit',
    'backup',
    'imports',
    'config',
    'operations',
  ],
  app: [
    ...['contracts', 'errors', 'templates', 'access', 'identity', 'messages', 'audit', 'operations', 'http', 'config'],
    'plugin-host',
    'tracing',
  ],
  runtime: ['contracts', 'errors', 'app', 'config', 'http', 'identity', 'audit', 'commands', 'tracing'],
  'command-line': ['contracts', 'errors', 'app', 'config', 'runtime', 'commands', 'plugin-host'],
  main: ['command-line', 'runtime'],
}

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name).split(sep).join('/'))

const importsOf = (file: string): Import[] => {
  const text = readFileSync(join(root, file), 'utf8')
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s+(type\s+)?[^'"`;]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)import '([^']+)'/g
  return [...text.matchAll(pattern)].map((match) => {
    const target = match[2] ?? match[3] ?? match[4] ?? ''
    const to = target.startsWith('.')
      ? relative(root, join(root, dirname(file), target))
          .split(sep)
          .join('/')
          .replace(/\.js$/, '.ts')
      : target
    return { from: file, to, typeOnly: match[1] !== undefined }
  })
}

const isLocal = (path: string) => /^(src|plugins|demo|test|bench|\.\.)(\/|$)/.test(path)
const core = sources('src').flatMap(importsOf)
const plugins = sources('plugins').flatMap(importsOf)

/** Compared as a whole: one assertion a rule, and all offenders at once. */
const none: readonly string[] = []

t.test('the reader of imports sees imports', async (t) => {
  t.ok(core.length > 100, 'there are imports to judge')
  t.ok(core.some((i) => i.to === 'src/contracts.ts'))
})

t.test('imports between the rooms of src run one way', async (t) => {
  const isAllowed = ({ from, to }: Import) => {
    // The demonstration is a part of the product, but only what runs it may know it.
    if (!to.startsWith('src/')) return to.startsWith('demo/') && from === 'src/runtime/demonstration.ts'
    return room(from) === room(to) || mayImport[room(from)]?.includes(room(to)) === true
  }
  const wrong = core.filter((i) => isLocal(i.to) && !isAllowed(i))
  t.same(wrong.map(sentence), none)
  t.same(
    [...new Set(core.map((i) => room(i.from)))].filter((name) => !(name in mayImport)),
    none,
    'every room has a rule',
  )
})

t.test('a plugin knows src/contracts and npm packages, never the core and never another plugin', async (t) => {
  const isAllowed = ({ from, to }: Import) => {
    const ownFolder = from.replace(/\.ts$/, '/')
    const isOwnPart =
      to.startsWith(ownFolder) || (to.startsWith('plugins/') && ownFolder.startsWith(to.replace(/\.ts$/, '/')))
    const isSibling = dirname(from) === dirname(to) && dirname(from).split('/').length > 2
    return to === 'src/contracts.ts' || isOwnPart || isSibling
  }
  const wrong = plugins.filter((i) => isLocal(i.to) && !isAllowed(i))
  t.same(wrong.map(sentence), none)
})

t.test('access and identity know nothing of the web', async (t) => {
  const web = /^(fastify|@fastify\/|undici|node:https?$|node:http2$)/
  const inner = /^src\/(access|identity|audit|messages|operations)\//
  t.same(core.filter((i) => inner.test(i.from) && web.test(i.to)).map(sentence), none)
})

t.test('only main, runtime and app see the whole configuration', async (t) => {
  const may = /^src\/(main|app|runtime\/|config\/|plugin-host|commands\/(check|schema))/
  const scalars = 'src/config/scalars.ts'
  const whole = core.filter((i) => i.to.startsWith('src/config/') && i.to !== scalars)
  t.same(whole.filter((i) => !may.test(i.from)).map(sentence), none)
})

t.test('access is pure: it reads no clock, no chance, no file and no socket', async (t) => {
  const world = /Date\.now\(|new Date\(\)|Math\.random|randomBytes|process\.(env|hrtime)/
  const outside = /from 'node:(fs|http|https|dns|crypto|child_process)/
  const wrong = sources('src/access').filter((file) => world.test(code(file)) || outside.test(code(file)))
  t.same(wrong, none)
})

t.test('logic reads the clock it is given', async (t) => {
  const logic = [...sources('src'), ...sources('plugins')].filter((file) => !/^src\/(app|main|runtime\/)/.test(file))
  t.same(
    logic.filter((file) => /\bDate\.now\b|new Date\(\)/.test(code(file))),
    none,
  )
})

function sentence({ from, to }: Import): string {
  return `${from} imports ${to}`
}

/** A source without its comments. */
function code(file: string): string {
  return readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
}
