import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findProgram } from '../../test/support/installed.js'
import type { Ground } from '../ground.js'
import { answers, Program } from '../program.js'
import type { Side } from './side.js'

/** What the gateway is held against. Each forwards to the same application, on one core where that can be said. */

const path = '/x'

export const hello: Side = {
  name: 'Fastify hello world',
  path,
  start: async () => ({ program: await Program.ofOurs('fastify-hello'), headers: [''] }),
}

export const bareProxy: Side = {
  name: 'bare @fastify/http-proxy',
  path,
  start: async ({ upstreamPort }) => ({
    program: await Program.ofOurs('bare-proxy', String(upstreamPort)),
    headers: [''],
  }),
}

/** No proxy at all: the application itself. */
export const direct: Side = {
  name: 'direct',
  path,
  start: async () => ({ program: await Program.ofOurs('upstream'), headers: [''] }),
}

interface Recipe {
  readonly name: string
  readonly program: string
  /** Of the distribution. */
  readonly package: string
  readonly file: string
  config(parts: { port: number; upstreamPort: number; directory: string }): string
  args(file: string, directory: string): string[]
}

function installed(recipe: Recipe): Side {
  const command = findProgram(recipe.program)
  return {
    name: recipe.name,
    path,
    missing:
      command === undefined ? `${recipe.program} is not installed (apt-get install ${recipe.package})` : undefined,
    start: async (ground: Ground) => {
      const { directory, port } = await ground.place(recipe.program)
      const file = join(directory, recipe.file)
      await writeFile(file, recipe.config({ port, upstreamPort: ground.upstreamPort, directory }))
      const env = { HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory }
      const start = { name: recipe.program, command: command ?? recipe.program, port, env }
      const args = recipe.args(file, directory)
      return { program: await Program.start({ ...start, args }, (at) => answers(at, path)), headers: [''] }
    },
  }
}

export const nginx = installed({
  name: 'nginx proxy_pass with keep-alive',
  program: 'nginx',
  package: 'nginx-light',
  file: 'nginx.conf',
  config: ({ port, upstreamPort, directory }) => `daemon off; master_process off; pid ${join(directory, 'pid')};
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${join(directory, of)};`).join(' ')}
  keepalive_requests 1000000000;
  upstream application { server 127.0.0.1:${upstreamPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 0;
    location / {
      proxy_pass http://application;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`,
  args: (file, directory) => ['-e', 'stderr', '-p', directory, '-c', file],
})

export const caddy = installed({
  name: 'Caddy reverse_proxy',
  program: 'caddy',
  package: 'caddy',
  file: 'Caddyfile',
  config: ({ port, upstreamPort }) => `{
	admin off
	auto_https off
}
http://:${port} {
	bind 127.0.0.1
	reverse_proxy 127.0.0.1:${upstreamPort}
}
`,
  args: (file) => ['run', '--config', file, '--adapter', 'caddyfile'],
})

export const haproxy = installed({
  name: 'HAProxy',
  program: 'haproxy',
  package: 'haproxy',
  file: 'haproxy.cfg',
  config: ({ port, upstreamPort }) => `global
  maxconn 2000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout tunnel 1h
frontend entrance
  bind 127.0.0.1:${port}
  default_backend application
backend application
  server application 127.0.0.1:${upstreamPort}
`,
  args: (file) => ['-db', '-f', file],
})
