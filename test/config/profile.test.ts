import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { check } from '../../src/cli/commands/check.js'
import { formatProblem } from '../../src/config/problem.js'
import { settingForms } from '../../src/config/runtime-settings.js'
import { addUser } from '../../src/identity/accounts/add-user.js'
import { checkConfig } from '../../src/plugin-host/check-config.js'
import { housePassword, signIn, startHouse } from '../support/house.js'

/** `profile: aal2` sets what NIST SP 800-63B-4 asks for at AAL2, and lets nothing in the file, or set later, undo it. */

const site = 'sites: [{ upstream: "http://127.0.0.1:1" }]'

async function read(t: Test, yaml: string) {
  const file = join(t.testdir({}), 'gatelodge.yaml')
  writeFileSync(file, yaml)
  const checked = await checkConfig(file, {})
  return 'config' in checked
    ? { file, config: checked.config, text: '' }
    : { file, config: undefined, text: checked.problems.map(formatProblem).join('\n') }
}

t.test('one key sets all of it where the file says nothing', async (t) => {
  const { config } = await read(t, `profile: aal2\n${site}\n`)
  t.match(config, {
    secondFactor: { required: 'everyone', fallback: false },
    session: { durationSeconds: 86_400, idleSeconds: 3600, rememberDeviceSeconds: undefined },
    passwords: { minimum: 8, minimumAlone: 15 },
    profile: { name: 'aal2', line: 1 },
  })
  const plain = await read(t, `${site}\n`)
  t.equal(plain.config?.profile, undefined)
  t.match(plain.config, {
    secondFactor: { required: 'when-enabled' },
    session: { durationSeconds: 90 * 86_400 },
    passwords: { minimumAlone: 8 },
  })
})

t.test('what is stricter stays as the file says it', async (t) => {
  const { config } = await read(
    t,
    `profile: aal2\n${site}\nsession: { duration: 8h, idle: 15m }\npasswords: { minimum: 12, minimumAlone: 20 }\n`,
  )
  t.match(config, {
    session: { durationSeconds: 8 * 3600, idleSeconds: 900, rememberDeviceSeconds: undefined },
    passwords: { minimum: 12, minimumAlone: 20 },
  })
  t.same(config?.profile?.sets, [
    'secondFactor.required: everyone',
    'secondFactor.fallback: false',
    'session.rememberDevice: off',
  ])
})

t.test('what is weaker is refused, with both values', async (t) => {
  for (const [yaml, path, written, least] of [
    ['session: { duration: 90d }', 'session.duration', '90d', '24h'],
    ['session: { idle: off }', 'session.idle', 'off', '1h'],
    ['session: { idle: 120m }', 'session.idle', '2h', '1h'],
    ['session: { rememberDevice: 30d }', 'session.rememberDevice', '30d', 'off'],
    ['secondFactor: { required: when-enabled }', 'secondFactor.required', 'when-enabled', 'everyone'],
    ['secondFactor: { fallback: true }', 'secondFactor.fallback', 'true', 'false'],
    ['secondFactor: { grace: { days: 3 } }', 'secondFactor.grace', 'a time without', 'none'],
    ['passwords: { minimumAlone: 8 }', 'passwords.minimumAlone', '8', '15'],
    [
      'networks: [{ range: [10.0.0.0/8], secondFactor: not-required }]',
      'networks[0].secondFactor',
      'not-required',
      'required',
    ],
    [
      'mail: { use: outbox }\nsecondFactor: { methods: [{ use: totp }, { use: email }] }',
      'secondFactor.methods[1].use',
      'email',
      'totp, passkey or sms',
    ],
  ] as const) {
    const { text } = await read(t, `profile: aal2\n${site}\n${yaml}\n`)
    t.match(text, `${path}: is ${written}, and that is weaker than profile: aal2, which has ${least}`, yaml)
    t.ok((await read(t, `${site}\n${yaml}\n`)).config, 'and is fine without the profile')
  }
  const rules = await read(
    t,
    'profile: aal2\nsites: [{ upstream: "http://127.0.0.1:1", enforce: false, rules: [{ path: /a/**, access: password }] }]\n',
  )
  t.match(
    rules.text,
    /sites\[0\]\.enforce: is false.*\n[\s\S]*sites\[0\]\.rules\[0\]\.access: is password, and that is weaker/,
  )
  t.match((await read(t, `profile: aal3\n${site}\n`)).text, /profile/)
})

t.test('what is changed while the gateway runs is held to it as well', async (t) => {
  const { config } = await read(t, `profile: aal2\n${site}\n`)
  if (config === undefined) throw new Error('the file is right')
  const forms = settingForms(config)
  for (const [key, value] of [
    ['session.duration', '30d'],
    ['session.idle', 'off'],
    ['secondFactor.required', 'when-enabled'],
    ['networks', '[{ range: [10.0.0.0/8], secondFactor: not-required }]'],
  ] as const) {
    const result = forms.read(key, value)
    t.match('problems' in result ? result.problems[0]?.message : '', /weaker than profile: aal2/, key)
  }
  t.ok('value' in forms.read('session.duration', '8h'))
})

t.test('check and doctor say what it sets, and what it cannot', async (t) => {
  const { file } = await read(t, `profile: aal2\n${site}\ntrustedProxies: [0.0.0.0/1, 128.0.0.0/1]\n`)
  const said: string[] = []
  const out = { write: (text: string) => said.push(text) }
  t.equal(await check({ config: file }, { env: {}, stdout: out, stderr: out }), 0)
  t.match(said.join(''), /profile aal2 sets secondFactor\.required: everyone, .*session\.duration: 24h/)
  t.match(said.join(''), /WARNING .*:1 {2}profile aal2 asks for one method that cannot be phished/)
  t.match(said.join(''), /:3 {2}TRUSTS EVERYBODY: with 0\.0\.0\.0\/0 among trustedProxies/)
})

t.test('a password has 15 characters where it is all that is asked, and 8 beside a second factor', async (t) => {
  const core = await startHouse(t, { yaml: `profile: aal2\npublicUrl: http://localhost\n${site}\n` })
  const add = (username: string, password: string, role: 'user' | 'api' = 'user') =>
    addUser({ ...core.core, ...core.core.identity }, { username, password, role })
  t.match(await add('ann', 'gates ok'), { outcome: 'added' })
  t.match(await add('job', 'fourteen chars', 'api'), { outcome: 'refused', sentence: /at least 15 characters/ })
  t.match(await add('job', 'fifteen letters', 'api'), { outcome: 'added' })
  await core.addUser('bob')
  const bob = core.visitor()
  const answer = await signIn(bob, 'bob')
  t.match(answer.location, /\/enrol/, `${housePassword.length} characters alone open nothing`)

  const other = await startHouse(t, {
    yaml: `publicUrl: http://localhost\n${site}\npasswords: { minimumAlone: 15 }\n`,
  })
  const parts = { ...other.core, ...other.core.identity }
  t.match(await addUser(parts, { username: 'ann', password: 'gates ok' }), { sentence: /at least 15/ })
  await other.core.identity.settings.set('secondFactor.required', 'everyone', { name: 'olga' })
  t.match(await addUser(parts, { username: 'ann', password: 'gates ok' }), { outcome: 'added' })
})

t.test('docs/security.md has a row for everything the profile sets', async (t) => {
  const page = readFileSync('docs/security.md', 'utf8')
  const { config } = await read(t, `profile: aal2\n${site}\n`)
  for (const set of config?.profile?.sets ?? []) t.match(page, `\`${set}\``)
})
