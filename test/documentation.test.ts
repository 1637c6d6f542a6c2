import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import webhook from '../plugins/sms-transports/webhook.js'
import { Wording } from '../src/messages/wording.js'
import { checkConfig } from '../src/plugin-host/check-config.js'
import { build, lentHost } from './support/lent-host.js'
import { accepted, SmsProvider } from './support/sms-provider.js'

/** What the guides show is what the gateway takes. */

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const read = (name: string) => readFileSync(join(root, name), 'utf8')
const guide = read('docs/second-factors.md')
const secret = 'sixteen or more characters'
const environment = { SID: 'AC1', TOKEN: 'token', MAIL_PASSWORD: 'password', SMS_TOKEN: 'token', SMS_SECRET: secret }

/** The block of code that begins with this file's name. */
function blockOf(name: string): string {
  const [, block] = guide.split(new RegExp(`\`\`\`\\w+\\n(?://|<!--) ${name.replaceAll('.', '\\.')}[^\\n]*\\n`))
  const [text = ''] = block?.split('```') ?? []
  if (text === '') throw new Error(`the guide does not show ${name}`)
  return text
}

function write(t: Test, name: string, text: string): string {
  const directory = t.testdir({})
  mkdirSync(dirname(join(directory, name)), { recursive: true })
  writeFileSync(join(directory, name), text)
  return directory
}

t.test('every file the guide and the README show is one the gateway takes', async (t) => {
  const shown = [guide, read('README.md')].flatMap((page) => page.split('```yaml\n').slice(1))
  t.equal(shown.length, 5)
  for (const [yaml = ''] of shown.map((rest) => rest.split('```\n'))) {
    const directory = write(t, 'gatelodge.yaml', yaml)
    mkdirSync(join(directory, 'templates/sms'), { recursive: true })
    const checked = await checkConfig(join(directory, 'gatelodge.yaml'), environment)
    t.ok('config' in checked, yaml, { problems: 'problems' in checked ? checked.problems : [] })
  }
})

t.test('every directory of users that the guide shows is one the gateway takes', async (t) => {
  const page = read('docs/directories.md')
  const shown = [...page.matchAll(/```yaml\n(users:[\s\S]*?)```/g)].map(([, yaml]) => yaml ?? '')
  const plugins = readdirSync(join(root, 'plugins/user-directories')).flatMap(
    (name) => /^(.+)\.ts$/.exec(name)?.[1] ?? [],
  )
  for (const name of plugins) t.match(page, `| \`${name}\` |`, 'it is in the table')
  t.ok(shown.length >= plugins.length)
  for (const yaml of shown) {
    const site = 'sites: [{ upstream: "http://127.0.0.1:3000" }]'
    const directory = write(t, 'gatelodge.yaml', `${site}\n${yaml}`)
    const checked = await checkConfig(join(directory, 'gatelodge.yaml'), {
      LDAP_PASSWORD: 'x',
      CALL_OUT_SECRET: secret,
    })
    t.ok('config' in checked, yaml, { problems: 'problems' in checked ? checked.problems : [] })
  }
})

t.test('the table of limits has every one, with its default', async (t) => {
  const directory = write(t, 'gatelodge.yaml', 'sites: [{ upstream: "http://127.0.0.1:1" }]\n')
  const checked = await checkConfig(join(directory, 'gatelodge.yaml'), {})
  if (!('config' in checked)) throw new Error(JSON.stringify(checked.problems))
  const { waitSeconds, unproven, ...limits } = checked.config.sending
  const ofStrangers = Object.entries(unproven).map(([key, value]) => [`unproven.${key}`, value])
  const rows = [...guide.matchAll(/^\| `([\w.]+)` \| (\w+) \| [^|]+ \|$/gm)].map(([, key, value]) => [key, value])
  t.same(Object.fromEntries(rows), { wait: `${waitSeconds / 60}m`, ...limits, ...Object.fromEntries(ofStrangers) })
})

t.test('the table of methods has every one there is', async (t) => {
  const files = readdirSync(join(root, 'plugins/second-factors')).filter((name) => name.endsWith('.ts'))
  const there = files.map((name) => name.replace(/\.ts$/, ''))
  const table = guide.slice(guide.indexOf('| `use` |'), guide.indexOf('A method counts'))
  t.same([...table.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name).slice(1), there.sort(order))
})

/** As the table has them. */
function order(one: string, other: string): number {
  const all = ['totp', 'sms', 'email', 'magic-link', 'passkey']
  return all.indexOf(one) - all.indexOf(other)
}

t.test('the receiver of the guide takes what the webhook posts, and nothing else', async (t) => {
  const directory = write(t, 'check-signature.mjs', blockOf('check-signature.js'))
  const { isFromGatelodge } = (await import(join(directory, 'check-signature.mjs'))) as {
    isFromGatelodge(headers: object, body: string, secret: string, now?: number): boolean
  }
  const provider = await SmsProvider.start()
  provider.answer = accepted
  t.teardown(() => provider.stop())
  const now = 1_700_000_000_000
  const transport = await build(webhook, { url: provider.url, signature: { secret } }, lentHost({ now: () => now }))
  t.teardown(() => transport.close?.())
  await transport.send({ to: '+12025550111', text: '123456 — grüß dich' })
  const [request] = provider.requests
  if (request === undefined) throw new Error('nothing was posted')
  const { headers, body } = request
  t.equal(isFromGatelodge(headers, body, secret, now), true)
  t.equal(isFromGatelodge(headers, `${body} `, secret, now), false, 'another body')
  t.equal(isFromGatelodge(headers, body, `${secret}!`, now), false, 'another secret')
  t.equal(isFromGatelodge(headers, body, secret, now + 301_000), false, 'sent again later')
  t.equal(isFromGatelodge({ ...headers, 'x-gatelodge-timestamp': '1700000001' }, body, secret, now), false)
  t.equal(isFromGatelodge({}, body, secret, now), false)
})

t.test('the text message of the guide takes the place of ours', async (t) => {
  const directory = write(t, 'sms/code.txt.eta', blockOf('templates/sms/code.txt.eta'))
  const settings = {
    service: 'Riverside CRM',
    publicUrl: 'https://crm.example.com',
    prefix: '/.gatelodge',
    templates: directory,
  }
  const wording = new Wording({ settings, now: () => 0 })
  const text = wording.text('code', { code: '123456', host: 'crm.example.com' })
  t.match(text, /^Riverside CRM: 123456 is your code\. .*\n\n@crm\.example\.com #123456$/s)
})
