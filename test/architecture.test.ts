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

/** The rooms each room of `src` may import, beside itself, npm packages and Node. */
const mayImport: Record<string, readonly string[]> = {
  contracts: [],
  errors: [],
  'exit-codes': [],
  'plugin-kit': ['contracts'],
  plugin: ['contracts', 'plugin-kit'],
  tracing: ['contracts', 'errors'],
  templates: ['contracts', 'errors'],
  access: ['contracts', 'errors'],
  audit: ['contracts', 'errors'],
  // Keys and sealing know nobody but the store.
  secrets: ['contracts', 'errors'],
  health: ['contracts', 'errors', 'audit'],
  messages: ['contracts', 'errors', 'templates', 'audit', 'health'],
  identity: ['contracts', 'errors', 'audit', 'messages', 'secrets'],
  config: ['contracts', 'errors', 'plugin-kit', 'access', 'secrets'],
  'plugin-host': ['contracts', 'errors', 'config'],
  operations: ['contracts', 'errors', 'access', 'identity', 'messages', 'audit', 'secrets'],
  http: ['contracts', 'errors', 'templates', 'access', 'identity', 'messages', 'audit', 'operations', 'tracing'],
  app: [
    ...['contracts', 'errors', 'templates', 'access', 'identity', 'messages', 'audit', 'health', 'operations', 'http'],
    ...['config', 'plugin-host', 'secrets', 'tracing'],
  ],
  runtime: [
    ...['contracts', 'errors', 'exit-codes', 'app', 'config', 'plugin-host', 'http', 'identity', 'audit', 'tracing'],
    ...['operations', 'plugin-kit', 'secrets'],
  ],
  cli: [
    ...['contracts', 'errors', 'exit-codes', 'app', 'access', 'identity', 'messages', 'audit', 'config'],
    ...['plugin-host', 'plugin-kit', 'operations', 'runtime', 'secrets'],
  ],
  main: ['cli', 'runtime'],
}

/** The sub-rooms of a room, lowest floor first: each imports only from floors below its own, and from itself. */
const floors: Record<string, readonly (readonly string[])[]> = {
  'src/identity': [
    ['passwords', 'store'],
    ['accounts', 'attempts'],
    ['sessions', 'links'],
    ['notices'],
    ['second-factors'],
    ['sign-in', 'own-account'],
    ['api-clients'],
  ],
  'src/http': [
    ['web'],
    ['upstream', 'listener', 'portal'],
    ['gate'],
    ['applications'],
    ['web-sockets'],
    ['sites', 'pages', 'api'],
  ],
}

/** As many files as a reader takes in at a glance. */
const MOST_FILES = 16

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

const isLocal = (path: string) => /^(src|plugins|demo|testing|test|bench|\.\.)(\/|$)/.test(path)
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
    if (!to.startsWith('src/')) return to.startsWith('demo/') && from === 'src/cli/demo.ts'
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

t.test('a plugin knows the contracts, the kit and npm packages, never the core and never another plugin', async (t) => {
  const isAllowed = ({ from, to }: Import) => {
    const ownFolder = from.replace(/\.ts$/, '/')
    const isOwnPart =
      to.startsWith(ownFolder) || (to.startsWith('plugins/') && ownFolder.startsWith(to.replace(/\.ts$/, '/')))
    const isSibling = dirname(from) === dirname(to) && dirname(from).split('/').length > 2
    return to === 'src/contracts.ts' || to === 'src/plugin-kit.ts' || isOwnPart || isSibling
  }
  const wrong = plugins.filter((i) => isLocal(i.to) && !isAllowed(i))
  t.same(wrong.map(sentence), none)
})

t.test(
  'the suites for plugin authors know the contracts and themselves: nothing of them may need our tests',
  async (t) => {
    const isAllowed = ({ to }: Import) => to === 'src/contracts.ts' || to.startsWith('testing/')
    const suites = sources('testing').flatMap(importsOf)
    t.ok(suites.length > 10, 'there are imports to judge')
    t.same(suites.filter((i) => isLocal(i.to) && !isAllowed(i)).map(sentence), none)
    t.same(suites.filter((i) => i.to === 'tap').map(sentence), none, 'and every runner can run them')
  },
)

t.test('no file imports itself over others', async (t) => {
  const targets = new Map<string, string[]>()
  for (const { from, to } of [...core, ...plugins]) targets.set(from, [...(targets.get(from) ?? []), to])
  t.same(circles(targets), none)
})

t.test('sub-rooms of identity and http are a stack: imports run downwards only', async (t) => {
  const wrong = Object.entries(floors).flatMap(([parent, levels]) => {
    const floorOf = (file: string) => {
      const [name = ''] = file.startsWith(`${parent}/`) ? file.slice(parent.length + 1).split('/') : []
      const at = levels.findIndex((floor) => floor.includes(name))
      return at < 0 ? undefined : { name, at }
    }
    return core.filter(({ from, to }) => {
      const [upper, lower] = [floorOf(from), floorOf(to)]
      return upper !== undefined && lower !== undefined && upper.name !== lower.name && lower.at >= upper.at
    })
  })
  t.same(wrong.map(sentence), none)
  for (const [parent, levels] of Object.entries(floors)) {
    t.same(subfolders(parent).sort(), levels.flat().sort(), `every sub-room of ${parent} has its floor`)
  }
})

t.test('the base of http knows no other room of http, and what speaks to applications knows no gate', async (t) => {
  const within = (folder: string) => core.filter(({ from }) => from.startsWith(`src/http/${folder}/`))
  const others = (folder: string) =>
    within(folder).filter(({ to }) => to.startsWith('src/http/') && !to.startsWith(`src/http/${folder}/`))
  t.same(others('web').map(sentence), none)
  t.same(
    others('upstream')
      .filter(({ to }) => !to.startsWith('src/http/web/'))
      .map(sentence),
    none,
  )
})

t.test(`a folder has at most ${MOST_FILES} files`, async (t) => {
  const counts = new Map<string, number>()
  for (const file of [...sources('src'), ...sources('plugins'), ...sources('testing')]) {
    counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
  }
  t.same(
    [...counts].filter(([, count]) => count > MOST_FILES).map(([folder, count]) => `${folder}: ${count}`),
    none,
  )
})

t.test('no two files of src export a type of the same name', async (t) => {
  const places = new Map<string, string[]>()
  for (const file of sources('src')) {
    for (const [, name = ''] of code(file).matchAll(/^export (?:abstract )?(?:interface|type|class) (\w+)/gm)) {
      places.set(name, [...(places.get(name) ?? []), file])
    }
  }
  t.same(
    [...places].filter(([, files]) => files.length > 1).map(([name, files]) => `${name}: ${files.join(', ')}`),
    none,
  )
})

t.test('access and identity know nothing of the web', async (t) => {
  const web = /^(fastify|@fastify\/|undici|node:https?$|node:http2$)/
  const inner = /^src\/(access|identity|audit|messages|operations)\//
  t.same(core.filter((i) => inner.test(i.from) && web.test(i.to)).map(sentence), none)
})

t.test('only main, runtime and app see the whole configuration', async (t) => {
  const may = /^src\/(main|app|runtime\/|config\/|plugin-host\/|cli\/)/
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
  const logic = [...sources('src'), ...sources('plugins')].filter(
    (file) => !/^src\/(app|main|runtime\/|cli\/)/.test(file),
  )
  t.same(
    logic.filter((file) => /\bDate\.now\b|new Date\(\)/.test(code(file))),
    none,
  )
})

/** Groups of files that reach each other by imports (Tarjan's strongly connected components), each as one line. */
function circles(targets: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = []
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const open: string[] = []
  const visit = (file: string) => {
    order.set(file, order.size)
    lowest.set(file, order.size - 1)
    open.push(file)
    for (const next of targets.get(file) ?? []) {
      if (!order.has(next)) visit(next)
      if (open.includes(next)) lowest.set(file, Math.min(lowest.get(file) ?? 0, lowest.get(next) ?? 0))
    }
    if (lowest.get(file) !== order.get(file)) return
    const group = open.splice(open.indexOf(file))
    if (group.length > 1) found.push(group.sort().join(' <-> '))
  }
  for (const file of targets.keys()) if (!order.has(file)) visit(file)
  return found
}

/** Names of the folders in a folder. */
function subfolders(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
}

function sentence({ from, to }: Import): string {
  return `${from} imports ${to}`
}

/** A source without its comments. */
function code(file: string): string {
  return readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
}
