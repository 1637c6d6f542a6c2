import { copyFile, cp, mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { startChild } from '../support/child.js'
import { until } from '../support/poll.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const folders = ['build', 'demo', 'plugins', 'src']

/** The program as it is compiled now, elsewhere, and with sources beside it if there are to be some. */
async function compiledElsewhere(t: Test): Promise<string> {
  const home = await temporaryDirectory(t)
  await mkdir(join(home, 'dist'))
  for (const folder of folders) {
    await cp(join(root, 'dist', folder), join(home, 'dist', folder), { recursive: true, preserveTimestamps: true })
  }
  for (const folder of ['assets', 'templates']) await cp(join(root, folder), join(home, folder), { recursive: true })
  await copyFile(join(root, 'package.json'), join(home, 'package.json'))
  await symlink(join(root, 'node_modules'), join(home, 'node_modules'))
  return home
}

async function run(home: string, ...args: string[]) {
  const child = startChild(process.execPath, args, { cwd: home })
  await until(`${args.join(' ')} to end`, () => child.ended(), 120_000)
  return { end: child.ended(), output: child.output() }
}

t.test('the program is run from its bundle, and from its modules where one is newer', async (t) => {
  const home = await compiledElsewhere(t)
  const main = join(home, 'dist/src/main.js')
  const bundle = join(home, 'dist/bundle/gatelodge.cjs')

  const { version } = JSON.parse((await run(home, '-p', 'JSON.stringify(require("./package.json"))')).output)
  t.same(await run(home, main, '--version'), { end: '0', output: `${version}\n` }, 'without a bundle')

  t.same(
    await run(home, join(home, 'dist/build/bundle.js')),
    { end: '0', output: '' },
    'a bundle is made without a word',
  )
  t.match(await readdir(join(home, 'dist/bundle')), [/\.code$/, /^gatelodge\.cjs$/], 'with what V8 made of it')
  t.same(await run(home, main, '--version'), { end: '0', output: `${version}\n` }, 'with a bundle')

  // The code beside it is not of this text any more, and is not taken.
  await writeFile(bundle, `console.log("bundle");\n${await readFile(bundle, 'latin1')}`, 'latin1')
  t.equal((await run(home, main, '--version')).output, `bundle\n${version}\n`)
  await writeFile(join(home, 'gatelodge.yaml'), 'sites: [{ upstream: http://127.0.0.1:1 }]\nstore: { use: embedded }\n')
  await writeFile(join(home, 'dist/plugins/stores/embedded.js'), 'throw new Error("not from the bundle")')
  t.match(await run(home, main, 'check'), { end: '0' }, 'plugins of ours are in it')

  await mkdir(join(home, 'src'))
  await copyFile(join(root, 'src/main.ts'), join(home, 'src/main.ts'))
  const now = new Date()
  await utimes(bundle, now, now)
  t.equal((await run(home, main, '--version')).output, `bundle\n${version}\n`, 'beside sources, too')

  const soon = new Date(Date.now() + 60_000)
  await utimes(join(home, 'dist/src/http/gate/gate.js'), soon, soon)
  t.equal((await run(home, main, '--version')).output, `${version}\n`, 'after a module was compiled anew')
})
