import fc from 'fast-check'
import t, { type Test } from 'tap'
import { application, frontDoor, prefix, signedIn, token } from '../support/front-door.js'
import { until } from '../support/poll.js'
import { RawSocket, rawExchange } from '../support/raw-socket.js'

/** What reaches an application from bytes no browser sends. Each test opens with the attack. */

const rules = [
  { path: '/public/**', access: 'public' as const, line: 3 },
  { path: '/deny/**', access: 'deny' as const, line: 4 },
]
const cookie = `Cookie: gatelodge=${token}\r\n`
const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])

t.test('bytes before the gate', async (t) => {
  const app = await application(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, identity: 'remote-user', rules }] })
  const send = (bytes: string) => rawExchange(t, door.port, bytes, 1500)
  /** Sends what must be refused, and checks that nothing of it arrived and the connection is over. */
  const refused = async (t: Test, bytes: string, status: number | readonly number[] = 400) => {
    const before = app.requests.length
    const { text, state } = await send(bytes)
    t.ok([status].flat().includes(statusOf(text)), `${JSON.stringify(bytes.slice(0, 60))} -> ${text.slice(0, 40)}`)
    t.equal(text.split('HTTP/1.1 ').length, 2, 'one answer')
    t.not(state, 'open', 'the connection is over')
    t.equal(app.requests.length, before, 'nothing arrived')
  }

  t.test(
    'a target that two parsers read as two paths is refused: /public/x\\..\\..\\private and its kind',
    async (t) => {
      for (const target of [
        '/public/x\\..\\..\\private',
        '/public/../private',
        '/public/./x',
        '//public/x',
        '/public//x',
        '/public/..;/private',
        '/public/%2e%2e/private',
        '/public/%2E./private',
        '/public/x%2f..%2fprivate',
        '/public/x%5c..%5cprivate',
        '/public/%252e%252e/private',
        '/public/%00',
        '/public/%zz',
        '/public/%',
        '/public/x#y',
        '*',
        'public/x',
        'http://127.0.0.1/public/x',
        `/public/${'x'.repeat(8200)}`,
      ]) {
        await refused(t, `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`)
      }
    },
  )

  t.test('what was judged is what arrives, byte for byte', async (t) => {
    for (const target of [
      '/public/a%20b;v=1?x=%2F..%2F&y=//&z=%zz',
      '/public/caf%E9/%C3%A9',
      "/public/!$&'()*+,=:@~-._",
      '/public/?',
      '/public?a?b',
      '/public/%41',
    ]) {
      await send(`GET ${target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)
      t.equal(app.requests.at(-1)?.url, target)
    }
  })

  t.test('without a session only public targets arrive, whatever the spelling', async (t) => {
    const segment = fc.constantFrom(
      'public',
      'private',
      '.',
      '..',
      '%2e%2e',
      '..;',
      '%2f',
      '\\',
      '',
      'x',
      '%70ublic',
      'PUBLIC',
      '%5c..',
    )
    const target = fc.array(segment, { minLength: 1, maxLength: 6 }).map((parts) => `/${parts.join('/')}`)
    const before = app.requests.length
    await fc.assert(
      fc.asyncProperty(target, async (one) => {
        await rawExchange(t, door.port, `GET ${one} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)
      }),
      { numRuns: 80 },
    )
    for (const { url } of app.requests.slice(before)) {
      const seen = new URL(url ?? '', 'http://h').pathname
      t.match(decodeURIComponent(seen), /^\/public(\/|$)/, String(url))
    }
  })

  t.test('a request that is no HTTP/1.0 or 1.1 is refused: HTTP/0.9 has no headers to judge', async (t) => {
    await refused(t, 'GET /public/x\r\n\r\n')
    await refused(t, 'GET /public/x HTTP/0.9\r\nHost: h\r\n\r\n')
    await refused(t, 'GET /public/x HTTP/2.0\r\nHost: h\r\n\r\n')
    await refused(t, 'GET /public/x HTTP/1.2\r\nHost: h\r\n\r\n')
  })

  t.test(
    'two Host headers, none, or a@b are refused: the application would choose another site than the gate',
    async (t) => {
      await refused(t, 'GET /public/x HTTP/1.1\r\nHost: h\r\nHost: other\r\n\r\n')
      await refused(t, 'GET /public/x HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n')
      await refused(t, 'GET /public/x HTTP/1.1\r\n\r\n')
      await refused(t, 'GET /public/x HTTP/1.0\r\n\r\n')
      for (const host of ['', 'a@b', 'a b', 'a/b', 'a,b', 'a?b', 'h:99999999', 'h:', '[::1', 'a\\b', '%61']) {
        await refused(t, `GET /public/x HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      }
    },
  )

  t.test(
    'more than 100 fields or 16 KiB of them are 431: Node drops the rest in silence, the body length with it',
    async (t) => {
      const many = Array.from({ length: 101 }, (_, at) => `X-${at}: 1\r\n`).join('')
      await refused(t, `POST /public/x HTTP/1.1\r\nHost: h\r\n${many}Content-Length: 5\r\n\r\nhello`, 431)
      const thousands = 'a:\r\n'.repeat(3000)
      await refused(t, `GET /public/x HTTP/1.1\r\nHost: h\r\n${thousands}\r\n`, 431)
      await refused(t, `GET /public/x HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`, 431)
      const fits = Array.from({ length: 98 }, (_, at) => `X-${at}: 1\r\n`).join('')
      const { text } = await send(`GET /public/x HTTP/1.1\r\nHost: h\r\n${fits}Connection: close\r\n\r\n`)
      t.equal(statusOf(text), 200, 'up to 100 pass')
    },
  )

  t.test('a request whose end two parsers see in two places is refused (request smuggling)', async (t) => {
    const smuggled = 'GET /public/smuggled HTTP/1.1\r\nHost: h\r\n\r\n'
    const post = 'POST /public/x HTTP/1.1\r\nHost: h\r\n'
    await refused(t, `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`)
    await refused(t, `${post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${smuggled}`)
    await refused(t, `${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello${smuggled}`)
    await refused(t, `${post}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello${smuggled}`)
    await refused(t, `${post}Content-Length: 5, 5\r\n\r\nhello${smuggled}`)
    for (const length of ['+5', '-5', '5a', '0x5', ' ', '5 5', '99999999999999999999999']) {
      await refused(t, `${post}Content-Length: ${length}\r\n\r\nhello${smuggled}`)
    }
    for (const coding of [
      'chunked, identity',
      'identity',
      'gzip, chunked',
      'xchunked',
      '"chunked"',
      'chunked, chunked',
    ]) {
      await refused(t, `${post}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n${smuggled}`)
    }
    await refused(t, `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${smuggled}`)
    await refused(t, `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`)
    await refused(t, `${post}X: a\r\n folded\r\n\r\n${smuggled}`)
    await refused(t, `${post} Content-Length: 5\r\n\r\nhello`)
    await refused(t, `GET /public/x HTTP/1.1\nHost: h\n\n${smuggled}`)
    await refused(t, `GET /public/x HTTP/1.1\r\nHost: h\rX: 1\r\n\r\n${smuggled}`)
    await refused(t, 'GET /public/x HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n')
    await refused(t, 'GET /public/x HTTP/1.1\r\nHost: h\r\nX\0: a\r\n\r\n')
    await refused(t, 'GET /public/x HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n')
    await refused(t, 'GET /public/x HTTP/1.1\r\nHost: h\r\nX(: a\r\n\r\n')
    await refused(t, 'GET\t/public/x HTTP/1.1\r\nHost: h\r\n\r\n')
    await refused(t, 'NONSENSE /public/x HTTP/1.1\r\nHost: h\r\n\r\n', 501)
  })

  t.test('chunk sizes with tricks end the request, and what was hidden behind them never arrives', async (t) => {
    const head = 'POST /public/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n'
    for (const chunks of [
      '0x5\r\nhello\r\n0\r\n\r\n',
      '5 \r\nhello\r\n0\r\n\r\n',
      '-5\r\nhello\r\n0\r\n\r\n',
      'fffffffffffffffff\r\nhello\r\n0\r\n\r\n',
      '5\nhello\n0\n\n',
      '5\r\nhelloX\r\n0\r\n\r\n',
      '5;\nx\r\nhello\r\n0\r\n\r\n',
      'g\r\nhello\r\n0\r\n\r\n',
    ]) {
      const { text, state } = await send(`${head}${chunks}GET /public/smuggled HTTP/1.1\r\nHost: h\r\n\r\n`)
      t.ok([400, Number.NaN].includes(statusOf(text)), `${JSON.stringify(chunks)} -> ${text.slice(0, 30)}`)
      t.not(state, 'open')
    }
    t.notOk(app.requests.some(({ url }) => url?.includes('smuggled')))
  })

  t.test(
    'CONNECT and TRACE are refused: one opens a way past the gate, the other reads our headers back',
    async (t) => {
      await refused(t, 'CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: h\r\n\r\n', [400, 405])
      await refused(t, 'TRACE /public/x HTTP/1.1\r\nHost: h\r\n\r\n', 405)
    },
  )

  t.test('nothing after a refused request is ever read as a request (invariant 3)', async (t) => {
    const follows = 'GET /public/after HTTP/1.1\r\nHost: h\r\n\r\n'
    await refused(t, `GET /private HTTP/1.1\r\nHost: h\r\n\r\n${follows}`, 401)
    await refused(
      t,
      `POST /private HTTP/1.1\r\nHost: h\r\nContent-Length: ${follows.length}\r\n\r\n${follows}${follows}`,
      401,
    )
    await refused(t, `POST /private HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${follows}`, 401)
    await refused(t, `GET /private HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\n\r\n${follows}`, 302)
    await refused(t, `GET /deny/x HTTP/1.1\r\nHost: h\r\n${cookie}\r\n${follows}`, 403)
    await refused(t, `GET /public/%00 HTTP/1.1\r\nHost: h\r\n\r\n${follows}`, 400)
    await refused(t, `GET ${prefix}/nowhere HTTP/1.1\r\nHost: h\r\n\r\n${follows}`, 404)
  })

  t.test('a request sent ahead waits for the one before: a refusal that takes time still comes first', async (t) => {
    let open = () => {}
    const held = new Promise<void>((resolve) => {
      open = resolve
    })
    const before = app.requests.length
    door.beforeFind = () => held
    const socket = await RawSocket.open(t, door.port)
    socket.write(
      `GET /private HTTP/1.1\r\nHost: h\r\nCookie: gatelodge=none\r\n\r\nGET /public/ahead HTTP/1.1\r\nHost: h\r\n\r\n`,
    )
    const other = await send('GET /public/meanwhile HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    t.equal(statusOf(other.text), 200, 'others do not wait, and public paths need no store')
    door.beforeFind = undefined
    open()
    t.equal(statusOf(await socket.untilClosed()), 401)
    t.strictSame(
      app.requests.slice(before).map(({ url }) => url),
      ['/public/meanwhile'],
    )
  })

  t.test('requests sent ahead are all answered in order when they may pass', async (t) => {
    const socket = await RawSocket.open(t, door.port)
    socket.write([1, 2, 3].map((n) => `GET /public/${n} HTTP/1.1\r\nHost: h\r\n\r\n`).join(''))
    const text = await socket.untilReceived('GET /public/3')
    t.match(text, /GET \/public\/1[\s\S]*GET \/public\/2[\s\S]*GET \/public\/3/)
    socket.write('GET /public/4 HTTP/1.1\r\nHost: h\r\n\r\n')
    await socket.untilReceived('GET /public/4')
    t.equal(socket.state(), 'open', 'the connection is kept after normal answers')
  })

  t.test('thousands of requests sent ahead of a slow one end the connection, not the memory', async (t) => {
    let open = () => {}
    door.beforeFind = () =>
      new Promise<void>((resolve) => {
        open = resolve
      })
    const socket = await RawSocket.open(t, door.port)
    socket.write(`GET /private HTTP/1.1\r\nHost: h\r\n${cookie}\r\n`)
    socket.write('GET /public/x HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(5000))
    await socket.untilClosed()
    door.beforeFind = undefined
    open()
    t.pass()
  })

  t.test('an upstream sees each header of ours once and no alias, on public paths too (invariant 2)', async (t) => {
    const lies = [
      'Remote-User',
      'Remote_User',
      'X_Remote_User',
      'remote.user',
      'X-Forwarded-For',
      'X_Forwarded_For',
      'Forwarded',
      'X-Real-IP',
      'X-Original-URL',
      'X-Rewrite-URL',
      'X_HTTP_Method_Override',
      'Proxy',
      'Proxy-Authorization',
      'Keep-Alive',
      'X-Forwarded-Host',
      'X-Forwarded-Proto',
      'X-Request-Id',
    ]
      .map((name) => `${name}: lie\r\n`)
      .join('')
    await send(
      `GET /public/x HTTP/1.1\r\nHost: crm.example\r\n${lies}Connection: close, X-Forwarded-For, Remote-User\r\n\r\n`,
    )
    const seen = app.requests.at(-1)?.rawHeaders ?? []
    t.notOk(seen.includes('lie'))
    for (const [name, value] of [
      ['X-Forwarded-For', '127.0.0.1'],
      ['X-Forwarded-Host', 'crm.example'],
      ['X-Forwarded-Proto', 'http'],
      ['host', 'crm.example'],
    ]) {
      t.strictSame(
        seen.filter((_, at) => seen[at - 1] === name),
        [value],
        String(name),
      )
    }
    await send(`GET /private HTTP/1.1\r\nHost: h\r\n${cookie}${lies}Connection: close, Remote-User\r\n\r\n`)
    const known = app.requests.at(-1)?.headersDistinct ?? {}
    t.strictSame(known['remote-user'], ['bob'])
    t.strictSame(known['remote-groups'], ['staff'])
    t.equal(known['cookie'], undefined, 'our cookie stays here')
  })

  t.test('a duplicate of our cookie opens nothing, and an odd name is not ours', async (t) => {
    for (const line of [
      `Cookie: gatelodge=${token}; gatelodge=${token}\r\n`,
      `Cookie: gatelodge=${token}\r\nCookie: gatelodge=x\r\n`,
      `Cookie: \xa0gatelodge=${token}\r\n`,
      `Cookie: Gatelodge=${token}\r\n`,
      `Cookie: =gatelodge=${token}\r\n`,
      `Cookie: gatelodge =${token}\r\n`,
      `Cookie: gatelodge="${token}"\r\n`,
    ]) {
      await refused(t, `GET /private HTTP/1.1\r\nHost: h\r\n${line}\r\n`, 401)
    }
  })

  t.test('an unlisted Keep-Alive, an Upgrade or Expect header is no reason for a 500', async (t) => {
    for (const line of ['Keep-Alive: timeout=5', 'Upgrade: h2c', 'TE: trailers', 'Expect: 100-continue']) {
      const { text } = await send(`GET /public/x HTTP/1.1\r\nHost: h\r\n${line}\r\nConnection: close\r\n\r\n`)
      t.match(text, /HTTP\/1\.1 200/, line)
    }
    await refused(t, 'POST /public/x HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello', 417)
  })

  t.test('100 Continue is said after the decision: a refused body is never asked for', async (t) => {
    const expecting = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`
    const { text } = await send(expecting('/private'))
    t.equal(statusOf(text), 401)
    const socket = await RawSocket.open(t, door.port)
    socket.write(expecting('/public/x'))
    await socket.untilReceived('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write('hello')
    await socket.untilReceived('POST /public/x')
  })

  t.test('API clients get a 401 they understand, and only page loads a redirect', async (t) => {
    const ask = (line: string, method = 'GET') => send(`${method} /private?a=1&b HTTP/1.1\r\nHost: h\r\n${line}\r\n`)
    for (const line of [
      '',
      'Accept: application/json\r\n',
      'Accept: text/html\r\nX-Requested-With: XMLHttpRequest\r\n',
      'Accept: text/html\r\nSec-Fetch-Mode: cors\r\n',
      'Accept: */*\r\n',
    ]) {
      const { text } = await ask(line)
      t.equal(statusOf(text), 401, line)
      t.match(text, /^content-type: application\/problem\+json/m)
      t.match(text, /^www-authenticate: \S/m)
      t.match(text, /"code":"sign-in.required"/)
    }
    t.equal(statusOf((await ask('Accept: text/html\r\n', 'POST')).text), 401)
    for (const line of ['Accept: text/html,*/*\r\n', 'Sec-Fetch-Mode: navigate\r\n']) {
      const { text } = await ask(line)
      t.equal(statusOf(text), 302)
      t.match(text, /^location: \/\.gatelodge\/sign-in\?return=%2Fprivate%3Fa%3D1%26b\r$/m)
    }
  })

  t.test('an error says a sentence and a number, never an address, a secret or a stack', async (t) => {
    const { text } = await send(`GET ${prefix}/throw HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)
    t.equal(statusOf(text), 500)
    t.notMatch(text, /SECRET|127\.0\.0\.1|at .*\.js/)
    t.match(text, /"requestId":"[\w-]+"/)
    const page = await send(`GET ${prefix}/throw HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\nConnection: close\r\n\r\n`)
    t.match(page.text, /<title>Error: /)
  })

  t.test('a form of ours that is too large, of another format, or never comes, is refused', async (t) => {
    const form = (type: string, length: number) =>
      `POST ${prefix}/echo HTTP/1.1\r\nHost: h\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`
    await refused(t, form('application/json', 20_000) + '1'.repeat(20_000), 413)
    await refused(t, `${form('text/csv', 3)}a,b`, 415)
    await refused(t, `${form('application/json', 3)}{]}`, 400)
  })

  t.test('no random bytes end the process or get past the gate (invariant 8)', async (t) => {
    const before = app.requests.length
    const line = fc.oneof(
      fc.constantFrom(
        'GET /private HTTP/1.1\r\n',
        'POST /public/%00 HTTP/1.1\r\n',
        'Host: h\r\n',
        '\r\n',
        'Connection: upgrade\r\n',
        'Upgrade: websocket\r\n',
        'Content-Length: 3\r\n',
        'Transfer-Encoding: chunked\r\n',
        '0\r\n\r\n',
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n',
      ),
      fc.string({ unit: 'binary', maxLength: 40 }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 12 }), fc.boolean(), async (lines, reset) => {
        const socket = await RawSocket.open(t, door.port)
        socket.write(lines.join(''))
        if (reset) socket.reset()
        else {
          socket.end()
          await socket.untilClosed(3000)
        }
      }),
      { numRuns: 80 },
    )
    const { text } = await send('GET /public/alive HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    t.equal(statusOf(text), 200)
    t.ok(app.requests.slice(before).every(({ url }) => url?.startsWith('/public')))
  })
})

t.test('sites are found by host and path as they were judged', async (t) => {
  const [a, b, c] = [await application(t), await application(t), await application(t)]
  const open = [{ path: '/**', access: 'public' as const, line: 1 }]
  const door = await frontDoor(t, {
    sites: [
      { host: 'a.example', upstream: a.url, rules: open },
      { host: 'a.example', path: '/wiki', upstream: b.url, rules: open },
      { host: 'c.example', path: '/only', upstream: c.url, rules: open },
    ],
  })
  const ask = async (host: string, path: string) =>
    statusOf(
      (await rawExchange(t, door.port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).text,
    )
  t.equal(await ask('A.example:8080', '/x'), 200)
  t.equal(await ask('a.example.', '/wikix'), 200)
  t.equal(await ask('a.example', '/wiki'), 200)
  t.equal(await ask('a.example', '/%77iki/x'), 200)
  t.equal(await ask('c.example', '/only/x'), 200)
  t.equal(await ask('c.example', '/other'), 404)
  t.equal(await ask('b.example', '/'), 404)
  t.strictSame(
    a.requests.map(({ url }) => url),
    ['/x', '/wikix'],
  )
  t.strictSame(
    b.requests.map(({ url }) => url),
    ['/wiki', '/%77iki/x'],
    'the path of the site goes on, too',
  )
  t.strictSame(
    c.requests.map(({ url }) => url),
    ['/only/x'],
  )
})

t.test('a client address counts from the right and only from trusted proxies (invariant 11)', async (t) => {
  const app = await application(t)
  const rules = [
    { path: '/inside/**', from: ['10.0.0.0/8'], access: 'public' as const, line: 1 },
    { path: '/open/**', access: 'public' as const, line: 2 },
  ]
  const trusting = await frontDoor(t, {
    sites: [{ upstream: app.url, rules }],
    trusted: ['127.0.0.1/32', '192.0.2.1/32'],
  })
  const wary = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
  const ask = async (port: number, path: string, forwarded: string) =>
    statusOf(
      (await rawExchange(t, port, `GET ${path} HTTP/1.1\r\nHost: h\r\n${forwarded}Connection: close\r\n\r\n`)).text,
    )
  t.equal(await ask(trusting.port, '/inside/x', 'X-Forwarded-For: 10.1.1.1\r\n'), 200)
  t.equal(await ask(trusting.port, '/inside/x', 'X-Forwarded-For: 10.1.1.1, 192.0.2.1\r\n'), 200)
  t.equal(await ask(trusting.port, '/inside/x', 'X-Forwarded-For: 10.1.1.1, 203.0.113.1\r\n'), 401)
  t.equal(await ask(trusting.port, '/inside/x', 'X-Forwarded-For: 10.1.1.1\r\nX-Forwarded-For: 203.0.113.1\r\n'), 401)
  t.equal(await ask(trusting.port, '/inside/x', 'X-Forwarded-For: 10.1.1.1, nonsense\r\n'), 401)
  t.equal(await ask(wary.port, '/inside/x', 'X-Forwarded-For: 10.1.1.1\r\n'), 401)
  t.equal(await ask(trusting.port, '/open/x', 'X-Forwarded-For: 203.0.113.7, 192.0.2.1\r\n'), 200)
  t.equal(app.requests.at(-1)?.headers['x-forwarded-for'], '203.0.113.7')
  t.equal(await ask(trusting.port, '/open/x', 'X-Forwarded-For: junk\r\n'), 200)
  t.equal(app.requests.at(-1)?.headers['x-forwarded-for'], 'unknown')
})

t.test('a program passes by Authorization where a rule has clients: api, and is asked for Basic there', async (t) => {
  const app = await application(t)
  const program = { ...signedIn('robot'), account: { ...signedIn('robot').account, role: 'api' as const } }
  const door = await frontDoor(t, {
    sites: [
      {
        upstream: app.url,
        identity: 'remote-user',
        rules: [{ path: '/api/**', access: 'password', clients: 'api', line: 1 }],
      },
    ],
    programs: async (authorization) => (authorization === 'Basic right' ? program : undefined),
  })
  const ask = (line: string) =>
    rawExchange(t, door.port, `GET /api/x HTTP/1.1\r\nHost: h\r\n${line}Connection: close\r\n\r\n`)
  t.equal(statusOf((await ask('Authorization: Basic right\r\n')).text), 200)
  t.equal(app.requests[0]?.headers['remote-user'], 'robot')
  t.equal(app.requests[0]?.headers.authorization, undefined, 'used up here')
  t.match((await ask('Authorization: Basic wrong\r\n')).text, /401[\s\S]*www-authenticate: Basic /)
  t.match((await ask('Sec-Fetch-Mode: cors\r\n')).text, /401[\s\S]*www-authenticate: Cookie /)
})

t.test(
  'a store that is away ends in no, quickly, and takes public paths with it not at all (invariant 7)',
  async (t) => {
    const app = await application(t)
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
    door.beforeFind = () => Promise.reject(new Error('store away SECRET'))
    const ask = (path: string) =>
      rawExchange(t, door.port, `GET ${path} HTTP/1.1\r\nHost: h\r\n${cookie}Connection: close\r\n\r\n`)
    const { text } = await ask('/private')
    t.ok(statusOf(text) >= 500)
    t.notMatch(text, /SECRET/)
    t.equal(statusOf((await ask('/public/x')).text), 200)
    await until('one request', () => app.requests.length === 1)
  },
)

t.test('connections beyond the cap are closed, and slow heads are given up', async (t) => {
  const app = await application(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }], maxConnections: 2 })
  const [one, two] = [await RawSocket.open(t, door.port), await RawSocket.open(t, door.port)]
  one.write('GET /public/1 HTTP/1.1\r\nHost: h\r\n\r\n')
  await one.untilReceived('200')
  const three = await RawSocket.open(t, door.port)
  await three.untilClosed()
  two.write('GET /public/2 HTTP/1.1\r\nHost: h\r\n')
  const slow = await two.untilClosed(13_000)
  t.equal(statusOf(slow), 408)
  t.equal(one.state(), 'open')
})
