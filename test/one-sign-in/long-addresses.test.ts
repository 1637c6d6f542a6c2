import { randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import t from 'tap'
import { arriveAt, crm, lodges, portal, signInAt } from './lodges.js'

/** As long as a target may be, of what cannot be packed, of what is escaped three times, and of the length that was first seen. */
const targets = {
  'text by chance': `/find?q=${randomBytes(8192)
    .toString('base64url')
    .slice(0, 8192 - 8)}`,
  'words that are escaped': `/find?${'q=%D0%BE%D1%82&'.repeat(600)}`.slice(0, 8190),
  'what was seen first': `/find?${'a=%2520&'.repeat(700)}`.slice(0, 4999),
}

t.test('whoever wants to go to a long address gets there', async (t) => {
  const core = await lodges(t, {
    sites: (url) => `
  - { host: login.localhost, upstream: "${url}" }
  - { host: crm.localhost, upstream: "${url}" }`,
  })
  await core.addUser('ana')
  for (const [name, target] of Object.entries(targets)) {
    const { way, answer } = await arriveAt(core.browser(), crm + target)
    t.equal(way.at(-1), crm + target, `${name}, over the portal`)
    t.equal(answer.status, 200)
    const there = core.browser()
    const direct = await arriveAt(there, portal + target)
    t.equal(direct.way.at(-1), portal + target, `${name}, at one host`)
    for (const step of [...way, ...direct.way]) t.ok(step.length < 12_000, 'and no step is longer than we take')
  }
})

t.test('a packed place leads nowhere that a plain one does not', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const pack = (text: string) => `~${deflateRawSync(text).toString('base64url')}`
  const bomb = pack('/'.padEnd(3_000_000, 'a'))
  const places = [
    '//evil.test',
    '/\\evil.test',
    'https://evil.test/',
    '/.gatelodge/sign-out',
    pack('https://evil.test'),
  ]
  for (const place of [...places.map(pack), bomb, '~', '~!!', '~AAAA']) {
    const asked = `${portal}/.gatelodge/sign-in?return=${encodeURIComponent(place)}`
    const { answer } = await signInAt(core.browser(), asked)
    t.same([answer.status, answer.headers['location']], [303, '/'], place.slice(0, 60))
  }
})
