import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { codeAt } from '../support/authenticator-app.js'
import { startChild } from '../support/child.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { freePort } from '../support/free-port.js'
import { installPackage } from '../support/installed-package.js'
import { until } from '../support/poll.js'

t.setTimeout(300_000)

/** The package as somebody installs it: packed, unpacked elsewhere, and run without a build. */

/** Compressed and on the disk, without dependencies. */
const MOST_BYTES = { packed: 2_500_000, unpacked: 8_000_000 }

const installed = await installPackage(t)
const home = join(installed.directory, 'node_modules/gatelodge')
const { NODE_OPTIONS: _, ...plain } = process.env
const run = (...args: string[]) =>
  promisify(execFile)(installed.program, args, { cwd: installed.directory, env: plain, encoding: 'utf8' })
const start = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  startChild(installed.program, args, { cwd: installed.directory, env: { ...plain, ...env } })
const answers = (url: string) =>
  until(`${url} to answer`, async () => (await fetch(url).catch(() => undefined))?.status === 200)

t.test('it has what runs and what an operator reads, and nothing of the workshop', async (t) => {
  const files = (await readdir(home, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(home.length + 1))
  for (const needed of [
    ...[
      'README.md',
      'LICENSE',
      'package.json',
      'config/schema.json',
      'config/reference.yaml',
      'config/quickstart.yaml',
    ],
    ...['templates/pages/sign-in.eta', 'assets/style.css', 'demo/gatelodge.yaml', 'demo/assets/desk.css'],
    ...['dist/src/main.js', 'dist/bundle/gatelodge.cjs', 'dist/src/plugin.d.ts', 'dist/testing/index.d.ts'],
  ]) {
    t.ok(files.includes(needed), needed)
  }
  const foreign =
    /\.map$|\.test\.|^(src|test|bench|docs|build|plugins|examples)\/|^dist\/(test|bench|build)\/|\.code$|\.tsbuildinfo$/
  t.same(
    files.filter((file) => foreign.test(file)),
    [],
  )
  const { size } = await stat(installed.tarball)
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(home, file))).size))
  const unpacked = sizes.reduce((sum, bytes) => sum + bytes, 0)
  t.comment(`${files.length} files, ${(size / 1e6).toFixed(1)} MB packed, ${(unpacked / 1e6).toFixed(1)} MB unpacked`)
  t.ok(size < MOST_BYTES.packed && unpacked < MOST_BYTES.unpacked, `${size} ${unpacked}`)
})

t.test('it can be published: public, with provenance, and from a lock file that names no registry', async (t) => {
  const manifest = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'))
  t.match(manifest, { publishConfig: { access: 'public', provenance: true }, private: undefined })
  const lock = await readFile('package-lock.json', 'utf8')
  t.notMatch(lock, /"resolved"/)
  t.equal(JSON.parse(lock).version, manifest.version)
})

t.test('version, init, check and start', async (t) => {
  const manifest = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'))
  t.equal((await run('version')).stdout.trim(), manifest.version)
  const port = await freePort()
  const url = `http://localhost:${port}`
  await run('init', '--yes', '--upstream', 'http://127.0.0.1:1', '--url', url)
  t.ok((await run('check')).stdout)
  const gateway = start(['start'])
  await answers(`http://127.0.0.1:${port}/.gatelodge/healthz`)
  t.equal(await gateway.end('SIGTERM'), '0', gateway.output())
})

t.test('the demonstration starts, shows its sign-in page and stops', async (t) => {
  const port = await freePort()
  const demo = start(['demo'], { PORT: String(port) })
  await answers(`http://localhost:${port}/.gatelodge/sign-in`)
  await until('the users to be shown', () => demo.output().includes('THIS IS A DEMONSTRATION'))
  t.equal(await demo.end('SIGINT'), '0', demo.output())
})

t.test('what plugin authors import is there, and what is ours is not', async (t) => {
  const script = `
    const { definePlugin, callerHeaders } = await import('gatelodge/plugin')
    const { TransportError } = await import('gatelodge/contracts')
    const { storeContract, mailTransportContract } = await import('gatelodge/testing')
    const closed = await import('gatelodge/dist/src/app.js').catch(({ code }) => code)
    console.log(JSON.stringify([definePlugin, callerHeaders, TransportError, storeContract, mailTransportContract].map((v) => typeof v)), closed)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: installed.directory,
    env: plain,
  })
  t.equal(stdout.trim(), `${JSON.stringify(Array(5).fill('function'))} ERR_PACKAGE_PATH_NOT_EXPORTED`)
})

t.test(
  'the first hour: from an empty folder to a user on a phone, in under twenty steps and without mail',
  { skip: skipWithoutChromium(), timeout: 240_000 },
  async (t) => {
    const application = createServer(({ headers }, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(`<title>Customers</title><h1>Hello ${headers['remote-user']}</h1>`)
    }).listen(0, '127.0.0.1')
    t.teardown(() => {
      application.closeAllConnections()
      application.close()
    })
    const cwd = join(installed.directory, 'empty')
    await mkdir(cwd)
    const steps: string[] = []
    const step = (what: string) => void steps.push(what)
    const command = async (...args: string[]) => {
      step(`gatelodge ${args.join(' ')}`)
      return (await promisify(execFile)(installed.program, args, { cwd, env: plain, encoding: 'utf8' })).stdout
    }
    const port = await freePort()
    const url = `http://crm.localhost:${port}`
    const portal = `http://login.localhost:${port}`
    const upstream = `http://127.0.0.1:${(application.address() as AddressInfo).port}`
    const next = await command('init', '--yes', '--upstream', upstream, '--url', url, '--portal', portal)
    t.match(next, /gatelodge doctor.*\n.*gatelodge start.*\n.*gatelodge setup-link/, 'what comes next is said')
    step('gatelodge start')
    const gateway = startChild(installed.program, ['start'], { cwd, env: plain })
    t.teardown(() => gateway.end('SIGKILL'))
    await answers(`http://127.0.0.1:${port}/.gatelodge/readyz`)
    const link = (await command('setup-link')).trim()

    const browser = await launchChromium(t)
    const { page, complaints } = await openWindow(browser)
    const fill = async (page: typeof owner, fields: Readonly<Record<string, string>>, button: string) => {
      for (const [name, value] of Object.entries(fields)) await page.locator(`#${name}`).fill(value)
      step(`${button} (${Object.keys(fields).join(', ') || 'nothing to fill in'})`)
      await page.getByRole('button', { name: button, exact: true }).first().click()
    }
    const owner = page
    /** The last digit sends it. */
    const setUp = async (page: typeof owner) => {
      const key = (await page.locator('[data-copy]').getAttribute('data-copy')) ?? ''
      step('the code of the authenticator app')
      await page.locator('#code').click()
      await page.keyboard.type(codeAt(key, Date.now()))
      await page.waitForURL('**/backup-codes/new*')
      await fill(page, {}, 'I have saved them')
    }
    step('the setup link')
    await owner.goto(link)
    const password = 'seven herons over the weir'
    await fill(owner, { username: 'olga', password, repeated: password }, 'Make me the owner')
    await owner.waitForURL('**/enrol/**')
    await setUp(owner)
    await owner.waitForURL('**/admin')
    step('Add the first user')
    await owner.getByRole('link', { name: 'Add the first user' }).click()
    await fill(owner, { username: 'ben' }, 'Add')
    await owner.waitForURL('**/admin/users/*')
    await fill(owner, {}, 'Make an invitation link')
    const invitation = (await owner.locator('#secret').textContent()) ?? ''

    const { page: phone, complaints: onPhone } = await openWindow(browser, {
      viewport: { width: 390, height: 844 },
      isMobile: true,
      hasTouch: true,
    })
    step('the invitation')
    await phone.goto(invitation)
    await fill(phone, {}, 'Yes, sign in here')
    await phone.waitForURL('**/enrol/**')
    await setUp(phone)
    await phone.waitForURL('**/account/password')
    await fill(
      phone,
      { password: 'nine otters in the reeds', repeated: 'nine otters in the reeds' },
      'Save the new password',
    )
    step('the address of the application')
    await phone.goto(url)
    t.equal(await phone.locator('h1').textContent(), 'Hello ben')
    t.equal(await phone.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
    t.comment(steps.join('\n'))
    t.ok(steps.length < 20, `${steps.length} steps`)
    t.same([...complaints, ...onPhone], [], 'no page complained')
    await gateway.end('SIGTERM')
  },
)
