/** Makes `dist/bundle` of what is compiled: the program in one file, and what V8 makes of it (see `src/runtime/bundle.ts`). */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { bundleDirectory } from '../src/runtime/bundle.js'

const compiled = fileURLToPath(new URL('../', import.meta.url))

/**
 * Packages that stay where they are: some are machine code, the others are loaded where a file or a command asks for them.
 * One whose classes are looked at (`instanceof`), or that has a default of its own, cannot: it may come as a module here and
 * as a script there.
 */
const apart = [
  ...['lmdb', '@node-rs/argon2', '@redis'],
  ...['nodemailer', 'twilio', 'prom-client', '@opentelemetry'],
  ...['bcryptjs', 'csv-parse', 'jose', 'libphonenumber-js', 'undici', '@simplewebauthn'],
  // For schemas of routes; the gateway has none.
  ...['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler'],
  // Of ws, and taken only where they are installed.
  ...['bufferutil', 'utf-8-validate'],
]

/**
 * Every module of ours goes on to find what lies around it as if it stood where it was compiled. What is imported while it runs and
 * is not in the bundle is imported by whoever runs the bundle: a script that V8 takes from its cache cannot.
 */
const places: Plugin = {
  name: 'places of modules',
  setup({ onLoad }) {
    onLoad({ filter: /\.m?js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      if (!path.startsWith(compiled)) {
        // Where packages are installed need not be where they were at the build.
        if (text.includes('import.meta.url'))
          throw new Error(`looks for what lies around it, and has to stay apart: ${path}`)
        return undefined
      }
      const place = JSON.stringify(relative(bundleDirectory, path))
      const placed = text.replaceAll('import.meta.url', `placeOf(${place})`)
      return { contents: placed.replace(importOfOthers, 'importModule('), loader: 'js' }
    })
  },
}

/** Of what stays apart, and of what is named in a file. */
const importOfOthers = new RegExp(`\\bimport\\((?=url\\)|'(?:${apart.join('|')})['/])`, 'g')

const plugins = readdirSync(join(compiled, 'plugins')).flatMap((kind) =>
  readdirSync(join(compiled, 'plugins', kind)).flatMap((file) =>
    file.endsWith('.js') ? [`${kind}/${file.slice(0, -'.js'.length)}`] : [],
  ),
)

const carried: Plugin = {
  name: 'plugins of ours',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]plugin-host[\\/]bundled-plugins\.js$/ }, () => ({
      contents: `export const bundledPlugins = {
        ${plugins.map((name) => `'${name}': () => import('../../plugins/${name}.js'),`).join('\n')}
      }`,
      resolveDir: join(compiled, 'src/plugin-host'),
    }))
  },
}

rmSync(bundleDirectory, { recursive: true, force: true })
mkdirSync(bundleDirectory)
const written = join(bundleDirectory, 'new.cjs')
const { metafile } = await build({
  metafile: true,
  stdin: {
    contents: `
      exports.program = async (stop) => (await import('./src/cli/program/program.js')).runProgram(stop)
      exports.worker = () => import('./src/runtime/workers/worker.js')
    `,
    resolveDir: compiled,
  },
  outfile: written,
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  mainFields: ['module', 'main'],
  external: apart.flatMap((name) => [name, `${name}/*`]),
  legalComments: 'none',
  // Without remarks and indentation it is half as long, and takes as much less memory. Names stay, and lines worth counting.
  minifyWhitespace: true,
  lineLimit: 120,
  logLevel: 'warning',
  plugins: [carried, places],
  banner: {
    js: '(function (require, importModule, exports, bundle) { const placeOf = (path) => new URL(path, bundle).href',
  },
  footer: { js: '})' },
})
const left = Object.values(metafile.outputs).flatMap(({ imports }) =>
  imports.filter(({ kind }) => kind === 'dynamic-import'),
)
if (left.length > 0) throw new Error(`cannot be imported from a bundle: ${left.map(({ path }) => path).join(', ')}`)
renameSync(written, join(bundleDirectory, 'gatelodge.cjs'))

const warming = spawnSync(process.execPath, [fileURLToPath(new URL('./warm.js', import.meta.url))], {
  stdio: 'inherit',
})
if (warming.status !== 0)
  process.stderr.write('The gateway could not be started once: its first start will take longer.\n')
