import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import t from 'tap'
import { application, frontDoor, token } from '../support/front-door.js'

const session = `gatelodge=${token}`

t.test('addresses that name the application are told in the words of whoever reads them', async (t) => {
  let answer: Record<string, string> = {}
  const app = await application(t, (request, response) => {
    request.resume()
    response.writeHead(201, answer).end()
  })
  const upstream = app.url
  const door = await frontDoor(t, {
    scheme: 'https',
    sites: [
      { upstream, host: 'dav.example.com' },
      { upstream, host: 'hidden.example.com', preserveHost: false },
      { upstream, host: 'raw.example.com', rewriteDestination: false },
    ],
  })
  const ask = (host: string, headers: Record<string, string>, method = 'MOVE') => {
    return send(door.port, method, { host, cookie: session, ...headers })
  }
  const told = async (host: string, destination: string) => {
    const { status } = await ask(host, { destination, if: `<${destination}> (<opaquelocktoken:1>) <urn:x>` })
    const seen = app.requests.at(-1)?.headers
    return [status, seen?.['destination'], seen?.['if']]
  }
  for (const spelled of [
    'https://dav.example.com/b%20c',
    'HTTPS://DAV.example.com/b%20c',
    'https://dav.example.com:443/b%20c',
  ]) {
    const inside = 'http://dav.example.com/b%20c'
    t.same(await told('dav.example.com', spelled), [201, inside, `<${inside}> (<opaquelocktoken:1>) <urn:x>`], spelled)
  }
  t.equal((await told('dav.example.com:8443', 'https://dav.example.com:8443/b'))[1], 'http://dav.example.com:8443/b')
  t.equal((await told('hidden.example.com', 'https://hidden.example.com/b'))[1], `${upstream}/b`)
  t.equal((await told('raw.example.com', 'https://raw.example.com/b'))[1], 'https://raw.example.com/b')
  for (const other of ['https://other.example/b', '/b']) {
    t.equal((await told('dav.example.com', other))[1], other, `${other} is none of it`)
  }

  const port = new URL(upstream).port
  const spelled = [
    upstream,
    upstream.toUpperCase(),
    `http://localhost:${port}`,
    `http://[::1]:${port}`,
    'http://dav.example.com',
  ]
  for (const inside of spelled) {
    answer = {
      location: `${inside}/x?next=${upstream}/y`,
      'content-location': `${inside}/x`,
      link: `<${inside}/2>; rel="next", <https://cdn.example/z>; rel=preload`,
      refresh: `3; URL=${inside}/x`,
    }
    const { headers } = await ask('dav.example.com', {}, 'PUT')
    t.match(headers, { location: `/x?next=${upstream}/y`, 'content-location': '/x', refresh: '3; URL=/x' }, inside)
    t.equal(headers['link'], '</2>; rel="next", <https://cdn.example/z>; rel=preload')
  }
  for (const other of [
    `${upstream}//evil.test/`,
    `${upstream}@evil.test/`,
    'http://localhost:1/x',
    'https://dav.example.com/x',
    '/x',
  ]) {
    answer = { location: other }
    const { headers } = await ask('dav.example.com', {}, 'PUT')
    t.equal(headers['location'], other, `${other} goes on as it came, and becomes no other host`)
  }
})

t.test('what is moved or copied is judged where it comes from and where it goes', async (t) => {
  const app = await application(t)
  const rules = [
    { path: '/private/**', access: 'deny', line: 1 },
    { path: '/read/**', methods: ['PUT'], access: 'deny', line: 2 },
    { path: '/open/**', access: 'public', line: 3 },
  ] as const
  const door = await frontDoor(t, {
    sites: [
      { upstream: app.url, host: 'dav.example.com', rules },
      { upstream: app.url, host: 'other.example.com', rules: [{ path: '/**', access: 'deny', line: 4 }] },
    ],
  })
  const go = async (destination: string, method = 'MOVE', target = '/a.txt', more: Record<string, string> = {}) =>
    (await send(door.port, method, { host: 'dav.example.com', cookie: session, destination, ...more }, target)).status
  t.equal(await go('/b.txt'), 200)
  t.equal(await go('http://dav.example.com/b.txt', 'COPY'), 200)
  t.equal(await go('http://elsewhere.example/b.txt'), 200, 'the application refuses what is another server')
  for (const closed of [
    '/private/x',
    'https://dav.example.com/private/x',
    'http://DAV.example.com:80/private/x',
    '/PRIVATE/x',
    '/read/x',
    'http://other.example.com/x',
    // What does not look at the host of `Destination` moves it within itself.
    'http://other.example.com/private/x',
    'http://elsewhere.example/private/x',
    'https://elsewhere.example:8443/read/x',
  ]) {
    for (const method of ['MOVE', 'COPY']) t.equal(await go(closed, method), 403, `${method} to ${closed}`)
    const override = { 'x-http-method-override': 'move' }
    t.equal(await go(closed, 'POST', '/a.txt', override), 403, `POST that is a MOVE to ${closed}`)
  }
  t.equal(await go('/b.txt', 'POST', '/a.txt', { 'x-http-method-override': 'MOVE' }), 200)
  for (const unclear of ['/a/../private/x', '/a%2fb', 'private/x', 'http://x@dav.example.com/private/x', '/a#b', '']) {
    t.equal(await go(unclear), 400, `unclear: ${unclear}`)
  }
  const stranger = await send(door.port, 'COPY', { host: 'dav.example.com', destination: '/b' }, '/open/a')
  t.equal(stranger.status, 401, 'what is public opens nothing else')
  t.equal(await go('/private/x', 'GET'), 200, 'the header means nothing elsewhere')
})

async function send(port: number, method: string, headers: Record<string, string>, path = '/a.txt') {
  const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.resume()
  return { status: response.statusCode, headers: response.headers }
}
