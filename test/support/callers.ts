import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { Page } from 'playwright-core'
import { findProgram, skipWithout } from './installed.js'

/** An answer as a program got it. */
export interface CallReply {
  readonly status: number
  /** In lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Call {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Programs as people write them, calling over HTTP. They follow redirects as they do by themselves. */
export type Caller = (url: string, call?: Call) => Promise<CallReply>

const curlProgram = findProgram('curl')
const pythonProgram = findProgram('python3')

/** For tap's `skip`. */
export const skipWithoutCurl = () => skipWithout('curl', curlProgram)
export const skipWithoutPython = () => skipWithout('python3', pythonProgram)

/** `curl --location`, with no other wish about the answer than curl has by itself. */
export const curl: Caller = async (url, { method = 'GET', headers = {} } = {}) => {
  const given = Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`])
  const format = '\n%{http_code}\n%{header_json}'
  const args = ['--silent', '--show-error', '--location', '--max-time', '30', '--path-as-is', '--request', method]
  const out = await run(curlProgram ?? 'curl', [...args, ...given, '--write-out', format, url])
  const [, body = '', status = '', json = ''] = /^([\s\S]*)\n(\d{3})\n(\{[\s\S]*)$/.exec(out) ?? []
  const received = JSON.parse(json) as Record<string, string[]>
  return { status: Number(status), headers: joined(received), body }
}

const script = `
import json, sys, urllib.request, urllib.error
url, method, headers = json.loads(sys.argv[1])
request = urllib.request.Request(url, method=method, headers=headers)
try:
    answer = urllib.request.urlopen(request, timeout=30)
except urllib.error.HTTPError as refused:
    answer = refused
found = {}
for name, value in answer.headers.items():
    found.setdefault(name.lower(), []).append(value)
print(json.dumps([answer.status, found, answer.read().decode()]))
`

/** `urllib.request` of Python's own library. */
export const python: Caller = async (url, { method = 'GET', headers = {} } = {}) => {
  const out = await run(pythonProgram ?? 'python3', ['-c', script, JSON.stringify([url, method, headers])])
  const [status, received, body] = JSON.parse(out) as [number, Record<string, string[]>, string]
  return { status, headers: joined(received), body }
}

/** `fetch` in a page of the same origin, with the cookies of its browser. */
export function fetchIn(page: Page): Caller {
  return (url, { method = 'GET', headers = {} } = {}) =>
    page.evaluate(
      async ([url, method, headers]) => {
        const answer = await fetch(url, { method, headers })
        return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() }
      },
      [url, method, headers] as const,
    )
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { timeout: 300_000 })
  child.stdin.end()
  const [out, complaints, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${complaints}`)
  return out
}

function joined(headers: Readonly<Record<string, readonly string[]>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name.toLowerCase(), values.join(', ')]))
}
