import t, { type Test } from 'tap'
import { application } from '../support/front-door.js'
import { type OpenHouse, signIn, startHouse } from '../support/house.js'
import { MailServer } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import { skipWithoutRedis, startRedis } from '../support/redis-server.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import type { Answer, Visitor } from '../support/visitor.js'
import { tell, timed } from './table.js'

t.setTimeout(300_000)

/** What strangers can take from those who proved something, and what they can make the gateway write. */

interface Floods {
  readonly gateways: readonly OpenHouse[]
  readonly mail: MailServer
  readonly clock: { now: number }
}

async function openGateways(t: Test, { store = '', count = 1, sending = '{}' }): Promise<Floods> {
  const [app, mail] = await Promise.all([application(t), MailServer.start()])
  t.teardown(() => mail.stop())
  const clock = { now: Date.now() }
  const home = await temporaryDirectory(t)
  const yaml = `
publicUrl: http://localhost
trustedProxies: [127.0.0.0/8]
sites: [{ upstream: "${app.url}" }]
secondFactor:
  methods:
    - { use: email }
    - { use: magic-link, signIn: true }
sending: ${sending}
mail: { use: smtp, url: "${mail.url}", from: "Sign-in <no-reply@example.com>" }
${store}
`
  const gateways: OpenHouse[] = []
  for (let index = 0; index < count; index += 1) {
    gateways.push(await startHouse(t, { yaml, directory: `${home}/${index}`, now: () => clock.now }))
  }
  return { gateways, mail, clock }
}

const from = (network: string) => ({ headers: { 'x-forwarded-for': network } })
const tokensIn = ({ text }: Answer) =>
  [...text.matchAll(/name="token" value="([^"]+)"/g)].map(([, token = '']) => token)

/** The token of a form to ask for usernames with. */
async function formFor(visitor: Visitor): Promise<string> {
  return tokensIn(await visitor.get('/.gatelodge/help')).at(-1) ?? ''
}

async function newUserWithCodesByMail({ core, addUser }: OpenHouse, name: string): Promise<void> {
  const id = await addUser(name, { email: `${name}@example.com` })
  const account = await core.identity.accounts.find(id)
  if (account === undefined) throw new Error('there is an account')
  await core.identity.enrolments.activate(account, { method: 'email', name: 'email', enrolment: null })
}

async function floodOfHelp(t: Test, store: string, count: number, fault: string): Promise<void> {
  // A day's mails are as few as the flood would have used up in its first round.
  const sending = '{ mailPerDay: 60, unproven: { perDay: 100 } }'
  const { gateways, mail, clock } = await openGateways(t, { store, count, sending })
  const [first] = gateways as [OpenHouse]
  await newUserWithCodesByMail(first, 'ana')
  const strangers = gateways.map((gateway) => gateway.visitor())
  const answers = new Map<number, number>()
  let asked = 0
  for (let round = 0; round < 6; round += 1) {
    const forms: string[] = []
    for (let network = 0; network < 60; network += 1) forms.push(await formFor(strangers[network % count] as Visitor))
    // Each form has been open for as long as is asked for.
    clock.now += 61_000
    for (const [network, token] of forms.entries()) {
      asked += 1
      const form = { token, for: 'usernames', email: `nobody-${asked}@example.com` }
      const visitor = strangers[network % count] as Visitor
      const { status } = await visitor.post('/.gatelodge/help', form, from(`198.51.100.${network}`))
      answers.set(status, (answers.get(status) ?? 0) + 1)
    }
  }
  await Promise.all(gateways.map(({ core }) => core.identity.settled()))
  const sent = mail.arrived.length
  t.ok(sent > 30 && sent <= 52, `${sent} mails: half of what strangers may cause in a day, and a little`)
  t.same([...answers.keys()].sort(), [303, 429])

  const seen = await timed(async () => {
    const visitor = first.visitor()
    const answer = await signIn(visitor, 'ana')
    const page = await visitor.get(answer.location ?? '/')
    const code = await until('the code', () => {
      const mails = mail.arrived.filter(({ envelope }) => envelope.to.includes('ana@example.com'))
      return /\b\d{6}\b/.exec(mails.at(-1)?.email.text ?? '')?.[0]
    })
    const token = tokensIn(page)[0] ?? ''
    return visitor.post('/.gatelodge/verify', { token, return: '/', code })
  })
  t.match(seen.value, { status: 303, location: '/' }, 'who has the right password gets the code, and is in')

  const fresh = first.visitor()
  const asks = { token: await formFor(fresh), for: 'usernames', email: 'ana@example.com' }
  const held = await fresh.post('/.gatelodge/help', asks, from('203.0.113.7'))
  t.equal(held.status, 429)
  t.match(held.text, 'value="ana@example.com"', 'what was typed is kept')
  const wait = Number(held.headers['retry-after'])
  t.ok(wait > 0 && wait < 3600, `${wait} s, and not until midnight`)
  clock.now += wait * 1000
  const token = tokensIn(held).at(-1) ?? ''
  const again = await fresh.post('/.gatelodge/help', { ...asks, token }, from('203.0.113.7'))
  t.match(again, { status: 303 }, 'and then it is served, with the form that was shown')
  tell(t, {
    fault: `${fault}: ${asked} requests for help from 60 networks`,
    saw: `the right password: a code by mail; help: ${answers.get(303)} times 303, then 429 with Retry-After ${wait}`,
    answerMs: seen.ms,
    promisedMs: 10_000,
    more: `${sent} mails`,
  })
}

t.test('a flood of requests for help keeps no code from whoever has the right password', (t) =>
  floodOfHelp(t, '', 1, 'one gateway'),
)

t.test('the same over two gateways on Redis', { skip: skipWithoutRedis() }, async (t) => {
  const { url } = await startRedis(t)
  await floodOfHelp(t, `store: { use: redis, url: "${url}" }`, 2, 'two gateways on Redis')
})

t.test(
  'a flood of forms with one token costs a few entries of the audit, and the back button is no dead end',
  async (t) => {
    const { gateways, mail, clock } = await openGateways(t, {})
    const [{ core, visitor }] = gateways as [OpenHouse]
    const stranger = visitor()
    const tokens = {
      '/.gatelodge/help': tokensIn(await stranger.get('/.gatelodge/help'))[0] ?? '',
      '/.gatelodge/sign-in/link': tokensIn(await stranger.get('/.gatelodge/sign-in/link'))[0] ?? '',
    }
    const before = await core.audit.count()
    const answers = new Map<number, number>()
    const flood = await timed(async () => {
      for (let batch = 0; batch < 40; batch += 1) {
        const sent = Array.from({ length: 50 }, (_, i) => {
          const [path, token] = Object.entries(tokens)[i % 2] as [string, string]
          return stranger.post(path, { token, username: `nobody-${batch}-${i}`, for: 'link' })
        })
        for (const { status } of await Promise.all(sent)) answers.set(status, (answers.get(status) ?? 0) + 1)
      }
    })
    await core.identity.settled()
    core.refusals.flush()
    await core.refusals.settled()
    const entries = (await core.audit.count()) - before
    t.equal(answers.get(303), 2, 'each form was good for one')
    t.ok(entries < 20, `${entries} entries`)
    t.equal(mail.arrived.length, 0)
    const condensed = await core.audit.search({ fits: ({ event }) => event === 'access.denied' })
    t.ok(
      condensed.entries.some(({ details }) => Number(details?.['count']) > 500),
      'and they say how many there were',
    )

    clock.now += 61_000
    const person = visitor()
    const opened = await person.get('/.gatelodge/help')
    const [token = ''] = tokensIn(opened)
    t.match(await person.post('/.gatelodge/help', { token, username: 'ana' }), { status: 303 })
    const back = await person.post('/.gatelodge/help', { token, username: 'ana' })
    t.equal(back.status, 400)
    t.match(back.text, 'That form was sent already')
    t.match(back.text, 'value="ana"')
    t.match(await person.post('/.gatelodge/help', { token: tokensIn(back)[0] ?? '', username: 'ana' }), { status: 303 })
    const tabs = await Promise.all([person.get('/.gatelodge/help'), person.get('/.gatelodge/help')])
    for (const tab of tabs) {
      t.match(await person.post('/.gatelodge/help', { token: tokensIn(tab)[0] ?? '', username: 'ana' }), {
        status: 303,
      })
    }
    tell(t, {
      fault: '2,000 forms for help and links from one address with one token',
      saw: `${answers.get(303)} times 303, then 400 and 429 with a new form`,
      answerMs: flood.ms / 2000,
      promisedMs: 1000,
      more: `${entries} entries in the audit`,
    })
  },
)
