import { writeFile } from 'node:fs/promises'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, posix, win32 } from 'node:path'
import { text } from 'node:stream/consumers'
import { startChild } from './child.js'
import { freePort } from './free-port.js'
import { findProgram } from './installed.js'
import { runCaddy } from './other-proxies.js'
import { until } from './poll.js'
import type { Scope } from './scope.js'
import { temporaryDirectory } from './temporary-directory.js'

/** Real servers that say what they make of the path of a request. */
export interface PathServer {
  readonly name: string
  /** Each path the server, or what is commonly built on it, would go by. */
  paths(target: string): Promise<readonly string[]>
}

/** Stands before a path that was left as it came. */
export const undecoded = 'undecoded:'

/** The target goes out as it is. */
const agent = new Agent({ keepAlive: true, maxSockets: 8 })

export function askPath(port: number, target: string): Promise<{ status: number; location: string; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path: target, headers: { host: 'h' }, agent })
    outgoing.on('response', async (answer) => {
      const body = await text(answer)
      resolve({ status: answer.statusCode ?? 0, location: answer.headers.location ?? '', body })
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

const answers = (port: number) =>
  askPath(port, '/ready').then(
    ({ status }) => status === 200,
    () => false,
  )

/** `$uri`, which locations are matched by and files are found by: with slashes merged (the default) and without. */
export async function nginxPaths(t: Scope): Promise<PathServer> {
  const directory = await temporaryDirectory(t)
  const [merged, kept] = [await freePort(), await freePort()]
  const server = (port: number, merge: 'on' | 'off') =>
    `server { listen 127.0.0.1:${port}; merge_slashes ${merge}; location / { return 200 $uri; } }`
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(directory, name)};`,
  )
  const file = join(directory, 'nginx.conf')
  await writeFile(
    file,
    `daemon off; master_process off; pid ${join(directory, 'pid')}; error_log stderr crit;
events { worker_connections 64; }
http { access_log off; ${paths.join(' ')} default_type text/plain;
${server(merged, 'on')}
${server(kept, 'off')} }`,
  )
  const child = startChild(findProgram('nginx') ?? '', ['-e', 'stderr', '-p', directory, '-c', file])
  t.teardown(() => child.end('SIGKILL'))
  await until('nginx to answer', () => answers(kept), 30_000)
  const uri = async (port: number, target: string) => {
    const { status, body } = await askPath(port, target)
    return status === 200 ? [body] : []
  }
  return {
    name: 'nginx',
    paths: async (target) => [...(await uri(merged, target)), ...(await uri(kept, target))],
  }
}

/** What is written in Node: by hand, over the URL standard, with one decoding and with two, as files here and on Windows. */
export async function nodePaths(t: Scope): Promise<PathServer> {
  const server = createServer((incoming, response) => {
    const raw = (incoming.url ?? '').split('?')[0] ?? ''
    const base = 'http://localhost'
    const pathname = URL.canParse(incoming.url ?? '', base) ? new URL(incoming.url ?? '', base).pathname : raw
    const found = [undecoded + raw, undecoded + pathname]
    for (const path of [raw, pathname]) {
      const decoded = tryDecode(path)
      if (decoded === undefined) continue
      const twice = tryDecode(decoded)
      for (const one of [decoded, ...(twice === undefined ? [] : [twice])]) {
        found.push(one, posix.normalize(one), win32.normalize(one).replaceAll('\\', '/'))
      }
    }
    response.end(JSON.stringify(found))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return { name: 'Node', paths: async (target) => JSON.parse((await askPath(port, target)).body) }
}

function tryDecode(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

const wsgi = `
import sys, json, posixpath
from urllib.parse import urlsplit, unquote
def application(environ, start_response):
    info = environ['PATH_INFO'].encode('latin-1').decode('utf-8', 'surrogateescape')
    found = [info, posixpath.normpath(info)]
    raw = environ.get('RAW_URI') or environ.get('REQUEST_URI')
    if raw: found.append(unquote(urlsplit(raw).path))
    try:
        from werkzeug.wrappers import Request
        found.append(Request(environ).path)
    except ImportError: pass
    body = json.dumps(found).encode()
    start_response('200 OK', [('Content-Type', 'application/json'), ('Content-Length', str(len(body)))])
    return [body]
port = int(sys.argv[2])
if sys.argv[1] == 'werkzeug':
    from werkzeug.serving import run_simple
    run_simple('127.0.0.1', port, application)
else:
    from wsgiref.simple_server import make_server
    make_server('127.0.0.1', port, application).serve_forever()
`

/** `PATH_INFO`, as every WSGI application has it, and what Werkzeug (Flask) makes of it. */
export async function pythonPaths(t: Scope, server: 'wsgiref' | 'werkzeug'): Promise<PathServer> {
  const port = await freePort()
  const child = startChild(findProgram('python3') ?? '', ['-c', wsgi, server, String(port)])
  t.teardown(() => child.end('SIGKILL'))
  await until(
    `${server} to answer`,
    () => {
      if (child.ended() !== undefined) throw new Error(child.output())
      return answers(port)
    },
    60_000,
  )
  return {
    name: server,
    paths: async (target) => {
      const { status, body } = await askPath(port, target)
      return status === 200 ? JSON.parse(body) : []
    },
  }
}

/** Caddy, and with it `r.URL.Path` of Go. */
export async function caddyPaths(t: Scope): Promise<PathServer> {
  const port = await runCaddy(t, 'crm.example.com {\n\trespond "{http.request.uri.path}" 200\n}\n')
  await until('Caddy to answer', () => answers(port), 30_000)
  return {
    name: 'Caddy',
    paths: async (target) => {
      const { status, body } = await askPath(port, target)
      return status === 200 ? [body, posix.normalize(body)] : []
    },
  }
}
