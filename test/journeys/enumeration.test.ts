import { randomInt } from 'node:crypto'
import t from 'tap'
import { withCore } from '../../src/cli/with-config.js'
import { addUser } from '../../src/identity/accounts/add-user.js'
import { Attempts } from '../../src/identity/attempts/attempts.js'
import { nameHash } from '../../src/identity/store/name-hash.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { MailServer } from '../support/mail-server.js'
import { median, shareLarger } from '../support/ranks.js'
import { type Answer, formOf, Visitor } from '../support/visitor.js'

t.setTimeout(600_000)

/**
 * Nobody learns from status, words, length, headers or time whether there is an account (invariant 10): the same
 * requests for accounts of every kind, by username and by mail address, mixed at random, each from a browser and an
 * address of its own.
 */

const password = 'correct horse 7 battery'
/** Five letters each, so that not even the length of an answer may differ. */
const kinds = ['usual', 'ghost', 'ended', 'coded', 'robot', 'fresh', 'crypt', 'round', 'slow1', 'slow0'] as const
type Kind = (typeof kinds)[number]
/** Four wrong passwords are free, so each kind has several names; each is typed as name and as address. */
const namesOfEach = 20
const rounds = 24

/** Of users that another system had. Each costs as much as the hash of ours or more. */
const imported: { readonly [kind in Kind]?: string } = {
  crypt: '$2y$08$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW',
  round: 'pbkdf2_sha256$100000$H0dPx8NeajVu$GiC4k5kqbbR9qWBlsRgDywNqC2vd9kqfk7zdorEnNas=',
}

const nameOf = (kind: Kind, number: number) => `${kind}-${String(number % namesOfEach).padStart(2, '0')}`
const emailOf = (kind: Kind, number: number) => `${nameOf(kind, number)}@example.com`
const isSlow = (kind: Kind) => kind.startsWith('slow')
const isNobody = (kind: Kind) => kind === 'ghost' || kind === 'slow0'

interface Ask {
  readonly page: string
  readonly action: string
  fields(kind: Kind, number: number): Record<string, string>
}

const asks: Readonly<Record<string, Ask>> = {
  'sign-in': {
    page: '/.gatelodge/sign-in',
    action: '/sign-in',
    // What is right for those who may not come in, and wrong for those who may.
    fields: (kind, number) => ({
      username: nameOf(kind, number),
      password: kind === 'ended' || kind === 'robot' ? password : 'not my password 5',
    }),
  },
  'sign-in by mail address': {
    page: '/.gatelodge/sign-in',
    action: '/sign-in',
    fields: (kind, number) => ({
      username: emailOf(kind, number),
      password: kind === 'ended' || kind === 'robot' ? password : 'not my password 5',
    }),
  },
  'login link': {
    page: '/.gatelodge/help',
    action: '/help',
    fields: (kind, number) => ({ for: 'link', username: nameOf(kind, number) }),
  },
  usernames: {
    page: '/.gatelodge/help',
    action: '/help',
    fields: (kind, number) => ({ for: 'usernames', email: emailOf(kind, number) }),
  },
  'magic link': {
    page: '/.gatelodge/sign-in/link',
    action: '/sign-in/link',
    fields: (kind, number) => ({ username: nameOf(kind, number) }),
  },
  'login link by mail address': {
    page: '/.gatelodge/help',
    action: '/help',
    fields: (kind, number) => ({ for: 'link', username: emailOf(kind, number) }),
  },
  'magic link by mail address': {
    page: '/.gatelodge/sign-in/link',
    action: '/sign-in/link',
    fields: (kind, number) => ({ username: emailOf(kind, number) }),
  },
}

/** Users of every kind, straight into the house: a process for each of them would take a minute. */
async function settle(gateway: RunningGateway): Promise<void> {
  const code = await withCore(gateway.configFile, async (services) => {
    const { accounts, enrolments, directory } = services
    for (const kind of kinds) {
      for (let number = 0; number < namesOfEach; number += 1) {
        const username = nameOf(kind, number)
        const email = emailOf(kind, number)
        if (isSlow(kind)) await slowDown(services, username)
        // Guesses count for the account whichever is typed; where there is none, for what was typed.
        if (isSlow(kind) && isNobody(kind)) await slowDown(services, email)
        if (isNobody(kind)) continue
        // In the directory, and never seen here before.
        if (kind === 'fresh') await directory.writable?.create({ username, email, groups: [] }, password)
        if (kind === 'fresh') continue
        const added = await addUser(services, { username, email, password, role: kind === 'robot' ? 'api' : 'user' })
        if (added.outcome === 'refused') throw new Error(added.sentence)
        const { account } = added
        const hash = imported[kind]
        if (hash !== undefined) await directory.writable?.setPassword(account.id, { hash })
        if (kind === 'ended') await accounts.change(account.id, (now) => ({ ...now, status: 'deactivated' }))
        const enrolment = { secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', lastStep: -1 }
        if (kind === 'coded') await enrolments.activate(account, { method: 'totp', name: 'App', enrolment })
      }
    }
    return 0
  })
  if (code !== 0) throw new Error('the users could not be added')
}

/** As many wrong passwords as make the longest wait: the way they are counted, on a clock that runs ahead of itself. */
async function slowDown({ store }: Parameters<Parameters<typeof withCore>[1]>[0], username: string): Promise<void> {
  const failures = 16
  let at = Date.now() - failures * 20 * 60_000
  const attempts = new Attempts({ store, now: () => at })
  for (let failure = 0; failure < failures; failure += 1) {
    at += 20 * 60_000
    const spend = await attempts.spendPassword({ nameHash: nameHash(username), network: newAddress() })
    if (!spend.allowed) throw new Error('the wait was not over')
  }
}

let people = 0
/** An address nobody came from before. */
function newAddress(): string {
  people += 1
  return `10.${(people >> 16) & 255}.${(people >> 8) & 255}.${people & 255}`
}

/** What may differ from one request to the next, whoever it is for, is put aside; everything else has to be equal. */
function essence(answer: Answer, typed: Record<string, string>): string {
  const { date: _, 'set-cookie': cookies = [], ...headers } = answer.headers
  const cookie = [cookies].flat().map((line) => line.replace(/=[\w.-]*/, '='))
  const text = Object.values(typed)
    .reduce((body, value) => body.replaceAll(value, 'TYPED'), answer.text)
    .replace(/name="token" value="[^"]*"/g, 'TOKEN')
  // The wait of a quarter of an hour runs down while the test does.
  const waits = (line: string) => line.replace(/\b(?:[678]\d\d|900)\b/g, 'WAIT').replace(/\b1[0-5] minutes/g, 'WAIT')
  return JSON.stringify([answer.status, waits(JSON.stringify(headers)), cookie, waits(text)], undefined, 1)
}

t.test('answers for accounts of every kind are the same, and take the same time', async (t) => {
  const mail = await MailServer.start()
  t.teardown(() => mail.stop())
  const gateway = await startGateway(t, {
    yaml: `
trustedProxies: [127.0.0.1/32, "::1/128"]
signIn: { byEmail: true }
sites:
  - upstream: http://127.0.0.1:1
secondFactor:
  methods:
    - { use: totp }
    - { use: magic-link, signIn: true }
sending: { unproven: { perDay: 1000000 } }
mail: { use: smtp, url: "${mail.url}", from: no-reply@example.com }
log: { level: warn }
`,
  })
  await settle(gateway)

  const essences = new Map<string, Map<string, Kind[]>>()
  const times = new Map<string, number[]>()
  const list = <Value>(map: Map<string, Value[]>, key: string) => map.get(key) ?? map.set(key, []).get(key) ?? []

  const everything = Object.entries(asks).flatMap(([name, ask]) => kinds.map((kind) => ({ name, ask, kind })))
  const inbox = new Visitor(t, gateway.url)
  let requests = 0
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, ask, kind } of shuffled(everything)) {
      const headers = { 'x-forwarded-for': newAddress() }
      inbox.cookies.clear()
      const page = await inbox.get(ask.page, { headers })
      const form = formOf(page.text, ask.action)
      const fields = { ...form.fields, ...ask.fields(kind, round) }
      const before = performance.now()
      const answer = await inbox.post(form.action ?? '', fields, { headers })
      list(times, `${name}, ${kind}`).push(performance.now() - before)
      requests += 1

      const group = name.startsWith('sign-in') && isSlow(kind) ? `${name}, slowed down` : name
      const seen = essences.get(group) ?? essences.set(group, new Map()).get(group)
      const { username = '', email = '' } = ask.fields(kind, round)
      const typed = { username: username || email }
      const answers = [essence(answer, typed)]
      if (answer.location !== undefined) {
        // What goes on behind an answer must not show in the time of the next one either.
        const after = performance.now()
        answers.push(essence(await inbox.get(answer.location, { headers }), typed))
        list(times, `${name}, the page after it, ${kind}`).push(performance.now() - after)
      }
      list(seen ?? new Map(), answers.join('\n')).push(kind)
    }
  }
  t.comment(`${requests} requests, ${mail.arrived.length} mails`)
  t.ok(requests >= 500)
  t.ok(
    mail.arrived.some(({ envelope }) => envelope.to.includes(emailOf('usual', 0))),
    'it is the real thing: mails went out',
  )

  for (const [group, seen] of essences) {
    const different = [...seen].map(([text, who]) => `${[...new Set(who)].join(', ')}:\n${text}`)
    t.equal(seen.size, 1, `${group}: one answer for all`, { different: different.slice(0, 2) })
  }
  for (const name of ['sign-in', 'sign-in by mail address']) {
    t.match([...(essences.get(name) ?? new Map()).keys()][0], /^\[\s*422,/)
    t.match([...(essences.get(`${name}, slowed down`) ?? new Map()).keys()][0], /^\[\s*429,/)
  }

  const measured = Object.keys(asks).flatMap((name) => [name, `${name}, the page after it`])
  for (const name of measured.filter((each) => times.has(`${each}, usual`))) {
    for (const kind of kinds) {
      const nobody: Kind = isSlow(kind) && name.startsWith('sign-in') ? 'slow0' : 'ghost'
      if (kind === nobody) continue
      const [theirs, nobodys] = [times.get(`${name}, ${kind}`) ?? [], times.get(`${name}, ${nobody}`) ?? []]
      const share = shareLarger(theirs, nobodys)
      const words = `${name}: ${kind} ${median(theirs).toFixed(1)} ms, ${nobody} ${median(nobodys).toFixed(1)} ms`
      t.comment(`${words}, ${share.toFixed(2)}`)
      // With 24 of each this is more than four standard errors off the middle. A password without its hash has a share of 0.
      t.ok(Math.abs(share - 0.5) < 0.35, words, { share })
    }
  }
  for (const name of measured.filter((each) => times.has(`${each}, usual`))) {
    const timesOf = (some: readonly Kind[]) => some.flatMap((kind) => times.get(`${name}, ${kind}`) ?? [])
    const somebody = kinds.filter((kind) => !isNobody(kind) && !isSlow(kind))
    const share = shareLarger(timesOf(somebody), timesOf(['ghost']))
    // All of them together: steadier, so the bound can be narrower, and is four standard errors again.
    t.ok(Math.abs(share - 0.5) < 0.27, `${name}: somebody and nobody`, { share })
  }
  const unhashed = shareLarger(times.get('sign-in, usual') ?? [], times.get('sign-in, slow1') ?? [])
  t.ok(unhashed > 0.78, 'a password hash that was left out would show', { unhashed })
})

function shuffled<Value>(values: readonly Value[]): Value[] {
  const left = [...values]
  return values.map(() => left.splice(randomInt(left.length), 1)[0] as Value)
}
