import t from 'tap'
import { GatelodgeError } from '../../src/errors.js'
import { PasswordPool } from '../../src/identity/passwords/password-pool.js'
import { passwordFault } from '../../src/identity/passwords/password-rules.js'
import { cpuMs } from '../support/cpu.js'

t.test('hashes with argon2id, 19 MiB, t=2, p=1, and a salt of its own each time', async (t) => {
  const pool = new PasswordPool()
  const [a, b] = await Promise.all([pool.hash('a lamp over the gate'), pool.hash('a lamp over the gate')])
  t.match(a, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  t.not(a, b)
  t.equal(await pool.verify(a, 'a lamp over the gate'), true)
  t.equal(await pool.verify(a, 'a lamp over the gatE'), false)
})

t.test('one password however the keys of a system spell it, and no more than that', async (t) => {
  const pool = new PasswordPool()
  const kept = await pool.hash('Grüße an Åse\u00a0!')
  t.equal(await pool.verify(kept, 'Gru\u0308ße an A\u030ase !'), true)
  t.equal(await pool.verify(kept, 'GRÜSSE an Åse !'), false)
  t.equal(await pool.verify(await pool.hash('ﬁne print'), 'fine print'), false, 'NFC, not NFKC')
})

t.test('nobody, no hash and a password nobody can have: false, at the same cost', async (t) => {
  const pool = new PasswordPool()
  const kept = await pool.hash('a lamp over the gate')
  const cases = [
    [kept, 'wrong'],
    [undefined, 'wrong'],
    [undefined, ''],
    ['', ''],
    ['$argon2id$broken', 'wrong'],
    ['$2b$10$abcdefghijklmnopqrstuv', 'wrong'],
    [kept, 'x'.repeat(257)],
    [kept, 'x'.repeat(1_000_000)],
  ] as const
  const costs = cases.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < 6; round += 1) {
    for (const [n, [hash, password]] of cases.entries()) {
      const cost = await cpuMs(async () => t.equal(await pool.verify(hash, password), false))
      costs[n] = Math.min(costs[n] ?? 0, cost)
    }
  }
  t.ok(Math.max(...costs) < 1.5 * Math.min(...costs), costs.map((ms) => ms.toFixed(1)).join(' '))
  t.equal(await pool.verify(await pool.hash('🔑'.repeat(256)), '🔑'.repeat(256)), true, 'characters, not code units')
  t.throws(() => pool.hash('x'.repeat(257)), RangeError)
})

t.test('two at a time, thirty-two wait in order, and the next is told to come back', async (t) => {
  const pool = new PasswordPool()
  const order: number[] = []
  const waiting = Array.from({ length: 34 }, (_, n) => pool.verify(undefined, 'x').then(() => order.push(n)))
  await t.rejects(pool.verify(undefined, 'x'), new GatelodgeError('password.busy', { retryAfterSeconds: 2 }))
  await t.rejects(pool.hash('x'), { code: 'password.busy', statusCode: 503, retryAfterSeconds: 2 })
  await Promise.all(waiting)
  t.equal(order.length, 34)
  const place = (n: number) => order.indexOf(n)
  for (let n = 0; n < 10; n += 1) t.ok(place(n) < place(n + 24), 'who came first goes first')
  t.equal(await pool.verify(undefined, 'x'), false, 'and the places are free again')
})

t.test('a hash that fails gives its place back', async (t) => {
  const pool = new PasswordPool()
  for (let n = 0; n < 5; n += 1) await t.rejects(pool.verify('$argon2id$v=19$m=1,t=0,p=0$x$y', 'x').then(no))
  t.equal(await pool.verify(undefined, 'x'), false)
  function no(right: boolean): void {
    if (!right) throw new Error('no')
  }
})

t.test('knows which hashes are weaker than today', async (t) => {
  const pool = new PasswordPool()
  t.equal(pool.isOutdated(await pool.hash('x')), false)
  const salt = 'AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
  t.equal(pool.isOutdated(`$argon2id$v=19$m=65536,t=3,p=4$${salt}`), false, 'stronger is not outdated')
  t.equal(pool.isOutdated(`$argon2id$v=19$m=8192,t=2,p=1$${salt}`), true)
  t.equal(pool.isOutdated(`$argon2id$v=19$m=19456,t=1,p=1$${salt}`), true)
  t.equal(pool.isOutdated(`$argon2i$v=19$m=19456,t=2,p=1$${salt}`), true)
  t.equal(pool.isOutdated('$2b$12$abcdefghijklmnopqrstuuDYW5XBJr6b3dMFcGUGuqIpsNEpRLm0u'), true)
})

t.test('passwords others try first are refused, whatever is put around them', async (t) => {
  const refused: Record<string, string> = {
    '': 'too-short',
    '1234567': 'too-short',
    ['é'.repeat(7)]: 'too-short',
    ['x'.repeat(257)]: 'too-long',
    password: 'common',
    'Password1!': 'common',
    'P@ssw0rd2024': 'common',
    '123password123': 'common',
    passwordpassword: 'common',
    welcome1: 'common',
    'Summer2025!': 'common',
    letmein123: 'common',
    'iloveyou!!': 'common',
    Liverpool1: 'common',
    dragon99: 'common',
    trustno1: 'common',
    '12345678': 'common',
    '87654321': 'common',
    '1234567890': 'common',
    '11111111': 'common',
    aaaaaaaaaaaa: 'common',
    abcabcabcabc: 'common',
    '12121212121': 'common',
    qwertyuiop: 'common',
    qwerty123456: 'common',
    '1q2w3e4r5t': 'common',
    '1qaz2wsx': 'common',
    'asdf-zxcv-qwer': 'common',
    '31.12.1999': 'common',
    '19991231': 'common',
    'ada-lovelace1': 'has-username',
    'ADA-LOVELACE': 'has-username',
  }
  for (const [password, code] of Object.entries(refused)) {
    const fault = passwordFault(password, 'Ada-Lovelace')
    t.equal(fault?.code, code, password)
    t.match(fault?.sentence, /^[A-Z].*\.$/)
  }
})

t.test('no rule about kinds of characters: what is long and one’s own is good', async (t) => {
  const good = [
    'a lamp over the lodge gate',
    'purple horse staple sky',
    'correct-lodge-battery-gate',
    'zmxncbvla',
    '愛と平和と自由と正義',
    'tea at 4 with the queen',
    'my password is not a word',
    'ada-lovelace met charles babbage',
    'x7#kQ9!v',
    '🔑🏠🐕🌧🎻🚲🍞🧭',
    'qqq lodge gate',
  ]
  for (const password of good) t.equal(passwordFault(password, 'ada-lovelace'), undefined, password)
  t.equal(passwordFault('ad lodges here', 'ad'), undefined, 'a name of two letters is in every password')
})

t.test('no password takes long to judge', async (t) => {
  const hostile = [
    'a'.repeat(256),
    'ab'.repeat(128),
    '123'.repeat(85),
    'qwe asd zxc '.repeat(21),
    '!'.repeat(256),
    '1234567890'.repeat(25),
  ]
  const used = await cpuMs(async () => {
    for (const password of hostile) passwordFault(password, 'a'.repeat(64))
    passwordFault('x'.repeat(16_000), 'y')
  })
  // Tens of milliseconds; one that backtracks takes minutes.
  t.ok(used < 1000, `${used} ms`)
})
