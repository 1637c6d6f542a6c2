import { spawnSync } from 'node:child_process'
import { hash as argon2 } from '@node-rs/argon2'
import t, { type Test } from 'tap'
import { KeptCosts } from '../../plugins/user-directories/local/kept-costs.js'
import local from '../../plugins/user-directories/local.js'
import { type HashCosts, type Passwords, type Store, withCost } from '../../src/contracts.js'
import { readForeignHash } from '../../src/identity/passwords/foreign-hashes/read-foreign-hash.js'
import { PasswordPool } from '../../src/identity/passwords/password-pool.js'
import { costOf, workOf } from '../../src/identity/passwords/password-work.js'
import { Clock, emptyStore, identityHost } from '../support/core.js'
import { cpuMs } from '../support/cpu.js'
import { findProgram, skipWithout } from '../support/installed.js'
import { build } from '../support/lent-host.js'
import { until } from '../support/poll.js'

const lamp = 'a lamp over the lodge gate'

/** Where they are from: specifications and test suites of the formats, hashcat's examples, and Python's hashlib. */
const vectors: ReadonlyArray<readonly [kind: string, hash: string, password: string]> = [
  ['bcrypt', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'U*U'],
  ['bcrypt', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'U*U'],
  ['bcrypt', '$2y$06$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW', lamp],
  ['bcrypt', 'bcrypt$$2y$06$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW', lamp],
  ['bcrypt', 'bcrypt_sha256$$2y$05$QfoWGkNZA7qZpS3ZkInuoe3P0OT11mB7m7j4tvy/6pBoG3vclnjlG', lamp],
  ['bcrypt', '$wp$2y$05$pyzMSI56m3zfLEpYYuHWCuBaz1ycvAiI4hn2w.QNvG7gGII8d.pUC', lamp],
  ['apr1', '$apr1$71850310$gh9m4xcAn3MGxogwX/ztb.', 'hashcat'],
  ['md5-crypt', '$1$28772684$iEwNOgGugqO9.bIz5sk8k/', 'hashcat'],
  ['sha256-crypt', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5', 'Hello world!'],
  ['sha256-crypt', '$5$rounds=5000$GX7BopJZJxPc/KEK$le16UF8I2Anb.rOrn22AUPWvzUETDGefUmAV8AZkGcD', 'hashcat'],
  [
    'sha512-crypt',
    '$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.',
    'Hello world!',
  ],
  [
    'sha512-crypt',
    '{CRYPT}$6$52450745$k5ka2p8bFuSmoVT1tzOyyuaREkkKBcCNqoDKzYiJL9RaE8yMnPgh2XzzF0NDrUhgrcLwg78xs1w5pJiypEdFX/',
    'hashcat',
  ],
  ['phpass', '$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0', 'test12345'],
  ['phpass', '$H$984478476IagS59wHZvyQMArzfx58u.', 'hashcat'],
  ['phpass', '$S$C33783772bRXEx1aCsvY.dqgaaSu76XmVlKrW9Qu8IQlvxHlmzLf', 'hashcat'],
  ['pbkdf2', 'pbkdf2_sha256$20000$H0dPx8NeajVu$GiC4k5kqbbR9qWBlsRgDywNqC2vd9kqfk7zdorEnNas=', 'hashcat'],
  ['pbkdf2', 'pbkdf2_sha1$25000$salt4You$zjgtWdH1jXpl1w8CqjQi/ZPNfN4=', lamp],
  ['pbkdf2', 'pbkdf2:sha256:50000$salt4You$06668c2be17b2f53598accb03943b24b14c48405e8ff11366000f7a55bd723c3', lamp],
  ['pbkdf2', '$pbkdf2$25000$c2FsdDRZb3U$zjgtWdH1jXpl1w8CqjQi/ZPNfN4', lamp],
  [
    'pbkdf2',
    '$pbkdf2-sha512$25000$c2FsdDRZb3U$X2DAQpU1tgaDVFttgJ2IOtUgxZaCkR2Kpgz4RO6AFSKSI2eqDD.VmVQnHm0D2beiprduJZV11iSF5URfkQbn8g',
    lamp,
  ],
  ['scrypt', '$scrypt$ln=14,r=8,p=1$c2FsdDRZb3U$SNhHMBDqYLc6POLVafG7LWePfT6JgCvRUEXt/s6dxjc', lamp],
  [
    'scrypt',
    'scrypt$16384$salt4You$8$1$SNhHMBDqYLc6POLVafG7LWePfT6JgCvRUEXt/s6dxjckLYv7d5E+R46L2Bk37l1TvdKcpHpAQAYVSwNOS3XANg==',
    lamp,
  ],
  [
    'scrypt',
    'scrypt:32768:8:1$salt4You$78e443b2b8f53323a993adb7c77871f205a1e2396ca782ccd32eebe040c5469f345d4f83317c066d73ce0cea0eb28a268e2533a362988812b16ee48bc8ad8781',
    lamp,
  ],
  ['sha', '{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=', 'test'],
  ['ssha', '{SSHA}AZKja92fbuuB9SpRlHqaoXxbTc43Mzc2MDM1Ng==', 'hashcat'],
  [
    'ssha',
    '{SSHA512}ALtwKGBdRgD+U0fPAy31C28RyKYx7+a8kmfksccsOeLknLHv2DBXYI7TDnTolQMBuPkWDISgZr2cHfnNPFjGZTEyNDU4OTkw',
    'hashcat',
  ],
]

t.test('each format is read, and fits its password and no other', async (t) => {
  const pool = new PasswordPool()
  for (const [kind, hash, password] of vectors) {
    t.equal(readForeignHash(hash)?.kind, kind, hash)
    t.equal(pool.isKnown(hash), true)
    t.equal(pool.isOutdated(hash), true)
    t.equal(await pool.verify(hash, password), true, hash)
    for (const wrong of [`${password}.`, `${password}\u0000`]) {
      t.equal(await pool.verify(hash, wrong), false, `${hash} and ${JSON.stringify(wrong)}`)
    }
  }
})

t.test(
  'a password costs the same work whatever made the hash, and for nobody, where hashes of many kinds are in use',
  async (t) => {
    const dearer = [
      '$2y$10$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW',
      '$6$rounds=20000$52450745$k5ka2p8bFuSmoVT1tzOyyuaREkkKBcCNqoDKzYiJL9RaE8yMnPgh2XzzF0NDrUhgrcLwg78xs1w5pJiypEdFX/',
      'pbkdf2_sha256$600000$H0dPx8NeajVu$GiC4k5kqbbR9qWBlsRgDywNqC2vd9kqfk7zdorEnNas=',
      await argon2(lamp, { memoryCost: 65_536, timeCost: 3, parallelism: 4 }),
    ]
    const ours = await new PasswordPool().hash(lamp)
    const hashes = [...vectors.map(([, hash]) => hash), ...dearer, ours]
    const inUse = hashes.reduce((costs: HashCosts, hash) => withCost(costs, costOf(hash)), {})
    t.equal(Object.keys(inUse).length, 12, 'the families: all but digests, and argon2 as we make it')
    const nobodys = effortOf(undefined, inUse)
    t.same(nobodys.get('bcrypt'), 2 ** 10)
    t.same(nobodys.get('own'), 1)
    for (const hash of [...hashes, '', 'no hash', '$argon2id$broken']) t.same(effortOf(hash, inUse), nobodys, hash)
  },
)

/** The work of every family that verifying with this hash comes to. */
function effortOf(hash: string | undefined, inUse: HashCosts): ReadonlyMap<string, number> {
  const efforts = new Map<string, number>()
  for (const work of workOf(hash, inUse)) {
    const { family, work: effort } = work.kind === 'spend' ? work : (costOf(work.hash) ?? free(work))
    if (effort > 0) efforts.set(family, (efforts.get(family) ?? 0) + effort)
  }
  return new Map([...efforts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function free({ kind }: { kind: string }) {
  return { family: 'own', work: kind === 'argon2' ? 1 : 0 }
}

t.test(
  'processor time tells no user of an imported hash from another, or from nobody, in the directory of the gateway',
  async (t) => {
    const { directory, users } = await openLocal(t)
    await users.create({ username: 'ours', groups: [] }, lamp)
    const imported = {
      cheap: '$2y$06$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW',
      dear: '$2y$10$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW',
      digest: '{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=',
      rounds: 'pbkdf2_sha256$100000$H0dPx8NeajVu$GiC4k5kqbbR9qWBlsRgDywNqC2vd9kqfk7zdorEnNas=',
      more: 'pbkdf2_sha256$300000$H0dPx8NeajVu$GiC4k5kqbbR9qWBlsRgDywNqC2vd9kqfk7zdorEnNas=',
    }
    for (const [username, hash] of Object.entries(imported)) await users.create({ username, groups: [] }, { hash })
    for (const [typed, label] of [
      ['not the one', 'a password'],
      ['not\u0000the one', 'one with a zero byte'],
    ] as const) {
      const costs = new Map<string, number>()
      for (let round = 0; round < 5; round += 1) {
        for (const name of ['ours', ...Object.keys(imported), 'nobody']) {
          const cost = await cpuMs(async () => t.equal(await directory.verifyPassword(name, typed), undefined))
          costs.set(name, Math.min(costs.get(name) ?? Number.POSITIVE_INFINITY, cost))
        }
      }
      const all = [...costs.values()]
      // Without decoys it is six times as much for the dearest as for nobody.
      t.ok(Math.max(...all) < 1.4 * Math.min(...all), `${label}: ${JSON.stringify([...costs])}`)
    }
  },
)

t.test('what all sign-ins cost goes down when the last user with a dear hash has another, and only then', async (t) => {
  const { directory, users, store, host, clock } = await openLocal(t)
  const asked = record(host.passwords)
  const inUse = async () => {
    await directory.verifyPassword('nobody', 'x')
    return asked.at(-1)
  }
  const dear = '$2y$06$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW'
  const day = 24 * 3600
  t.same(await inUse(), {})
  const made = await users.create({ username: 'ann', groups: [] }, { hash: dear })
  t.same(await inUse(), { bcrypt: 64 }, 'from the first one on')
  clock.forward(day)
  await counted(store, inUse, clock)
  t.same(await inUse(), { bcrypt: 64 }, 'a count finds it')
  t.match(await directory.verifyPassword('ann', lamp), { id: made?.id })
  t.same(await inUse(), { bcrypt: 64 })
  clock.forward(day)
  await counted(store, inUse, clock)
  t.same(await inUse(), {})

  // As a version kept it that noted nothing: what is there is found, by one gateway for all.
  const kept = (await store.get(`user/${made?.id}`)) as { passwordHash: string }
  await store.set(`user/${made?.id}`, { ...kept, passwordHash: dear })
  await store.delete('hash-costs')
  clock.forward(day)
  await counted(store, inUse, clock)
  t.same(await inUse(), { bcrypt: 64 })
})

t.test('of a hash taken over while all are counted nothing is lost', async (t) => {
  const { users, store, host, clock } = await openLocal(t)
  const costs = new KeptCosts(host)
  clock.forward(3600)
  const { list } = store
  store.list = async (...page) => {
    const found = await list.apply(store, page)
    store.list = list
    await users.create({ username: 'late', groups: [] }, { hash: '$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0' })
    return found
  }
  await costs.count()
  t.same(await costs.inUse(), { 'phpass-md5': 2048 })
})

async function openLocal(t: Test) {
  const clock = new Clock()
  const host = identityHost(await emptyStore(t, clock), clock)
  const directory = await build(local, {}, host)
  if (directory.writable === undefined) throw new Error('local is writable')
  return { directory, users: directory.writable, host, store: host.store, clock }
}

/** Which costs each verification was told to have. */
function record(passwords: Passwords): (HashCosts | undefined)[] {
  const asked: (HashCosts | undefined)[] = []
  const verify = passwords.verify.bind(passwords)
  passwords.verify = (hash, password, inUse) => {
    asked.push(inUse)
    return verify(hash, password, inUse)
  }
  return asked
}

/** Begins a count by a sign-in, and waits until it is done. */
async function counted(store: Store, signIn: () => Promise<unknown>, clock: Clock): Promise<void> {
  await signIn()
  await until('the count', async () => Object(await store.get('hash-costs')).countedAt === clock.ms)
}

t.test('every kind of argon2 is verified, also as Django writes it', async (t) => {
  const pool = new PasswordPool()
  for (const algorithm of [0, 1, 2]) {
    const hash = await argon2(lamp, { algorithm, memoryCost: 1024, timeCost: 3, parallelism: 4 })
    for (const spelling of [hash, `argon2${hash}`]) {
      t.equal(pool.isKnown(spelling), true)
      t.equal(await pool.verify(spelling, lamp), true, spelling)
      t.equal(await pool.verify(spelling, `${lamp}.`), false)
      t.equal(pool.isOutdated(spelling), true)
    }
  }
})

t.test('a hash that asks for absurd amounts of work is none', async (t) => {
  const pool = new PasswordPool()
  const salt = 'c2FsdDRZb3U'
  const key = 'A'.repeat(43)
  const absurd = [
    '$2y$17$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW',
    '$2y$31$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW',
    '$2y$03$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW',
    '$5$rounds=999999999$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5',
    '$P$SIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0',
    '$P$.IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0',
    `pbkdf2_sha256$999999999$salt$${key}=`,
    `pbkdf2_sha256$0$salt$${key}=`,
    'pbkdf2_sha256$1000$salt$QUJD',
    `$scrypt$ln=30,r=8,p=1$${salt}$${key}`,
    `$scrypt$ln=14,r=8,p=999$${salt}$${key}`,
    `$scrypt$ln=14,r=999,p=1$${salt}$${key}`,
    `$scrypt$ln=0,r=8,p=1$${salt}$${key}`,
    `scrypt$16385$salt$8$1$${key}=`,
    `$argon2id$v=19$m=4194304,t=1,p=1$${salt}$${key}`,
    `$argon2id$v=19$m=65536,t=5000,p=1$${salt}$${key}`,
    `$argon2id$v=19$m=65536,t=3,p=4$${salt}$${'A'.repeat(5000)}`,
  ]
  for (const hash of absurd) {
    t.equal(pool.isKnown(hash), false, hash.slice(0, 80))
    t.equal(await pool.verify(hash, lamp), false)
  }
})

t.test('what is no hash is none: passwords in the clear, old crypt, empty and cut off ones', async (t) => {
  const pool = new PasswordPool()
  const none = [
    '',
    lamp,
    'rqXexS6ZhobKA',
    '{SHA}',
    '{SSHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=',
    '{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=AAAA',
    '{CRYPT}rqXexS6ZhobKA',
    '$2x$06$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW',
    '$5$saltstring$',
    '$6$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5',
    '$argon2id$',
    '$',
    ...vectors.map(([, hash]) => hash.slice(0, -7)),
    ...vectors.map(([, hash]) => `${hash}\n`),
  ]
  for (const hash of none) t.equal(pool.isKnown(hash), false, hash)
  t.equal(await pool.verify(lamp, lamp), false, 'a password in the place of a hash opens nothing')
})

const openssl = findProgram('openssl')

t.test('computes what openssl computes', { skip: skipWithout('openssl', openssl) }, async (t) => {
  const passwords = ['x', 'é', 'p'.repeat(15), 'p'.repeat(16), 'p'.repeat(17), 'ü'.repeat(40), lamp]
  for (const flag of ['-1', '-apr1', '-5', '-6']) {
    for (const password of passwords) {
      const { stdout } = spawnSync(openssl ?? '', ['passwd', flag, '-stdin'], { input: password, encoding: 'utf8' })
      const hash = readForeignHash(stdout.trim())
      t.equal(await hash?.verify(Buffer.from(password)), true, stdout.trim())
      t.equal(await hash?.verify(Buffer.from(`${password}p`)), false)
    }
  }
})

t.test('a quick foreign hash costs no less than nobody, and the loop stays free', async (t) => {
  const pool = new PasswordPool()
  const quick = '{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M='
  const costs = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let round = 0; round < 6; round += 1) {
    for (const [n, hash] of [quick, undefined].entries()) {
      costs[n] = Math.min(costs[n] ?? 0, await cpuMs(() => pool.verify(hash, 'wrong')))
    }
  }
  t.ok(Math.max(...costs) < 1.5 * Math.min(...costs), costs.map((ms) => ms.toFixed(1)).join(' '))

  let turns = 0
  const timer = setInterval(() => {
    turns += 1
  }, 1)
  await pool.verify('$5$rounds=400000$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5', 'wrong')
  clearInterval(timer)
  t.ok(turns > 2, `${turns} turns of the loop while a slow hash was computed`)
})
