import fc from 'fast-check'
import t from 'tap'
import { Refusal } from '../../src/operations/operation.js'
import { type Preview, previewSetting } from '../../src/operations/settings.js'
import { application } from '../support/front-door.js'
import { housePassword, type OpenHouse, startHouse } from '../support/house.js'
import type { Scope } from '../support/scope.js'

/**
 * The fault: the preview had an evaluator of networks of its own, which said that a change touches nobody, and then the
 * gate turned people away. Here the gate itself is asked, over HTTP.
 */

const clients = ['10.0.0.5', '10.0.0.6', '10.1.2.3', '192.0.2.7', '198.51.100.9', '2001:db8::5', 'no address']

async function withSessions(t: Scope) {
  const app = await application(t)
  const core = await startHouse(t, {
    yaml: `
publicUrl: http://localhost
trustedProxies: [127.0.0.1/32]
sites: [{ upstream: "${app.url}" }]
secondFactor: { methods: [{ use: totp }] }
`,
  })
  await core.addUser('olga', { role: 'owner' })
  const tokens = new Map<string, string>()
  for (const from of clients) {
    const opened = await core.core.identity.signIn.password({
      username: 'olga',
      password: housePassword,
      client: { address: from === 'no address' ? 'unreadable' : from, network: from, userAgent: '', requestId: from },
      returnTo: '/',
      policy: () => 'none',
    })
    if (opened.outcome !== 'session') throw new Error(opened.outcome)
    tokens.set(from, opened.token)
  }
  return { core, tokens }
}

async function preview({ core }: OpenHouse, key: string, value: string): Promise<Preview | Refusal> {
  const [olga] = await core.directory.find({ username: 'olga' })
  const by = {
    door: 'command-line' as const,
    role: 'owner' as const,
    account: { id: olga?.id ?? '', username: 'olga' },
  }
  return core.desk.run(previewSetting, { key, value }, { ...by, isFresh: true }) as Promise<Preview | Refusal>
}

/** How many of the sessions the gate lets reach nothing, each from where it was opened. */
async function turnedAway({ port }: OpenHouse, tokens: ReadonlyMap<string, string>): Promise<number> {
  const statuses = await Promise.all(
    [...tokens].map(async ([from, token]) => {
      const headers = { cookie: `gatelodge=${token}`, 'x-forwarded-for': from }
      const answer = await fetch(`http://127.0.0.1:${port}/`, { headers, redirect: 'manual' })
      await answer.arrayBuffer()
      return answer.status
    }),
  )
  return statuses.filter((status) => status === 403).length
}

t.test('the preview of a list of networks counts whom the gate then turns away', async (t) => {
  const { core, tokens } = await withSessions(t)
  const { settings } = core.core.identity
  const set = (value: string) => settings.set('networks', value, { name: 'olga' })
  const compare = async (value: string): Promise<number | undefined> => {
    const said = await preview(core, 'networks', value)
    const { outcome } = await set(value)
    t.equal(said instanceof Refusal, outcome === 'refused', `taken and counted, or neither: ${value}`)
    if (said instanceof Refusal) return undefined
    const away = await turnedAway(core, tokens)
    t.equal(said.affected, away, value)
    return away
  }

  const denied = await compare(
    '[{ range: [10.0.0.5/32], access: allow }, { range: [10.0.0.0/8], secondFactor: required, access: deny }]',
  )
  t.equal(denied, clients.length - 1)
  t.equal(await compare('[{ range: [192.0.2.0/24], access: allow }]'), clients.length - 1, 'and who cannot be read')
  t.equal(await compare('[{ range: [10.0.0.0/8], secondFactor: required }]'), 0)
  t.equal(
    await compare('[{ range: [10.0.0.0/8], secondFactor: required }, { range: [10.0.0.5/32], access: allow }]'),
    undefined,
  )
  t.equal(await compare('[{ range: 10.0.0.0/8, access: deny }]'), undefined, 'as in the file, a range is a list')

  const range = fc.constantFrom(
    '10.0.0.0/8',
    '10.0.0.5/32',
    '10.0.0.4/31',
    '192.0.2.0/24',
    '2001:db8::/32',
    '0.0.0.0/0',
  )
  const entry = fc.record(
    {
      range: fc.uniqueArray(range, { minLength: 1, maxLength: 2 }),
      access: fc.constantFrom('allow', 'deny'),
      secondFactor: fc.constantFrom('required', 'not-required'),
    },
    { requiredKeys: ['range'] },
  )
  let counted = 0
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 4 }), async (list) => {
      if ((await compare(JSON.stringify(list))) !== undefined) counted += 1
    }),
    { numRuns: 150 },
  )
  t.ok(counted > 20, `${counted} lists were taken`)
})

t.test('the preview refuses what the change would be refused for, in the same words', async (t) => {
  const { core } = await withSessions(t)
  for (const [key, value] of [
    ['session.duration', '5'],
    ['session.duration', '12 hours'],
    ['session.duration', 'off'],
    ['session.idle', '999999999d!'],
    ['secondFactor.required', 'nobody'],
    ['networks', '[{ range: [10.0.0.1/8], access: deny }]'],
    ['networks', '{}'],
    ['no.such.key', '1'],
  ] as const) {
    const said = await preview(core, key, value)
    const done = await core.core.identity.settings.set(key, value, { name: 'olga' })
    t.equal(done.outcome, 'refused', `${key}: ${value}`)
    if (!(said instanceof Refusal) || done.outcome !== 'refused') t.fail(`${key}: ${value} is previewed`)
    else if (done.reason === 'invalid') t.match(said.sentence, done.problems[0]?.message ?? '?')
  }
})

t.test('the preview of the times of sessions counts those that end', async (t) => {
  const { core, tokens } = await withSessions(t)
  t.match(await preview(core, 'session.duration', '1s'), { looked: tokens.size })
  t.match(await preview(core, 'session.duration', '30d'), { affected: 0 })
  t.match(await preview(core, 'session.idle', 'off'), { affected: 0, looked: tokens.size })
})
