import t from 'tap'
import { cpuMs } from '../support/cpu.js'
import { application, frontDoor } from '../support/front-door.js'
import { rawExchange } from '../support/raw-socket.js'

/** Headers that are as dear to read as a client or an application can make them. What they cost is counted in processor time. */

const rules = [{ path: '/**', access: 'public' as const, line: 3 }]
/** For two processors' worth of everything this process does meanwhile: the attack took 87,000. */
const mostMs = 1000
const blanks = ' '.repeat(13_000)

t.test(
  'a thousand `=` and 13,000 spaces in one `Cookie` header no longer keep everybody waiting for 87 seconds',
  async (t) => {
    const app = await application(t)
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }], trusted: ['127.0.0.1/32'] })
    const attacks: Record<string, string> = {
      'equals signs and blanks': `Cookie: ${'='.repeat(1000)}gatelodge${blanks}x`,
      'blanks and equals signs in turn': `Cookie: ${' ='.repeat(6500)}gatelodge${'\t '.repeat(500)}x`,
      'pieces that each look like ours': `Cookie: ${'gatelodge ;'.repeat(1200)}`,
      'the name of ours again and again': `Cookie: ${'gatelodge'.repeat(1500)}`,
      'blanks in an address': `X-Forwarded-For: x${blanks}x`,
      'addresses without end': `X-Forwarded-For: ${'127.0.0.1,'.repeat(1300)}`,
      'options without end': `Connection: ${'a,'.repeat(6500)}close`,
      'types without end': `Accept: ${'application/'.repeat(1100)}`,
      'blanks in a kind': `Upgrade: ${'a '.repeat(6500)}`,
      'a scheme and blanks': `Authorization: Basic${blanks}x`,
      'an address of dots': `Referer: ${'./'.repeat(6500)}`,
    }
    for (const [name, header] of Object.entries(attacks)) {
      for (const path of ['/x', '/.gatelodge/sign-in', '/.gatelodge/forward-auth']) {
        const used = await cpuMs(() =>
          rawExchange(t, door.port, `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n${header}\r\n\r\n`, 1500),
        )
        t.ok(used < mostMs, `${name} on ${path}: ${Math.round(used)} ms of processor time`)
      }
    }
  },
)

t.test('nor does one `Set-Cookie` of an application', async (t) => {
  const app = await application(t, (_, response) => {
    const raw = `=${' '.repeat(100)}`.repeat(500)
    response.writeHead(200, {
      'set-cookie': `${'='.repeat(1000)}gatelodge${' '.repeat(9000)}x`,
      'x-more': raw.slice(0, 4000),
    })
    response.end('well')
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
  const used = await cpuMs(async () => {
    const { text } = await rawExchange(t, door.port, 'GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n', 5000)
    t.match(text, /well/)
  })
  t.ok(used < mostMs, `${Math.round(used)} ms of processor time`)
})

t.test('a target takes no longer to read than it is long', async (t) => {
  const app = await application(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
  const long = 8000
  for (const unit of ['/a', '%61', '/;', '. ', '/.a', '%25', '%c3%a9', '/%2e', ';jsessionid=', '?', '/a. ']) {
    const target = `/x${unit.replaceAll(' ', '%20').repeat(Math.floor(long / 6))}`.slice(0, long)
    const used = await cpuMs(() =>
      rawExchange(t, door.port, `GET ${target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`, 1500),
    )
    t.ok(used < mostMs, `${unit}: ${Math.round(used)} ms of processor time`)
  }
})
