import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { installExample, installPackage } from '../support/installed-package.js'

t.setTimeout(300_000)

/** The examples are packages of their own: each is compiled against the installed package, and passes its own tests. */

const installed = await installPackage(t)
const { NODE_OPTIONS: _, ...plain } = process.env
const names = readdirSync('examples')

t.ok(names.length >= 2)
for (const name of names) {
  t.test(`${name} compiles with our types and passes the suite of its kind`, async (t) => {
    const home = await installExample(name, installed)
    const tests = readdirSync(join(home, 'test')).map((file) => join('test', file))
    const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', ...tests], {
      cwd: home,
      env: plain,
    })
    t.match(stdout, /^# fail 0$/m)
    t.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) >= 3, stdout)
    const { version, peerDependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
    const ours = JSON.parse(readFileSync('package.json', 'utf8')).version.split('.').slice(0, 2).join('.')
    t.ok(version && peerDependencies.gatelodge.startsWith(`^${ours}.`), 'made for this version')
  })
}
