import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import { type Child, startChild } from './child.js'
import { freePort } from './free-port.js'
import { until } from './poll.js'
import type { Scope } from './scope.js'
import { keyFor } from './sealer.js'
import { temporaryDirectory } from './temporary-directory.js'

/** The built `gatelodge`, to be run by Node. */
export const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))

/** The built gateway as a process of its own, answering. */
export interface RunningGateway {
  readonly url: string
  readonly port: number
  readonly configFile: string
  readonly directory: string
  pid(): number
  /** Everything it wrote since it was started first. */
  logs(): string
  /** Every line of the log that is JSON. */
  logLines(): ReadonlyArray<Record<string, unknown>>
  /** SIGTERM; resolves with the exit status, or the signal that ended it. */
  stop(): Promise<string>
  /** SIGKILL, as a crash would. */
  kill(): Promise<void>
  /** Starts it again with the same file and port, once it has ended. */
  start(): Promise<void>
  /** `gatelodge <args> --config <the same file>`. */
  run(args: readonly string[], input?: string): Promise<RunOutcome>
}

export interface RunOutcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * Writes the YAML to a file (with a `listen` on a free port unless it has one, and `store` beside it unless it names one;
 * `${GATEWAY_PORT}` in it is the port), runs `gatelodge start --config FILE` and waits until `/readyz` answers.
 */
export async function startGateway(
  t: Scope,
  {
    yaml,
    environment = {},
    directory,
    isPlain = false,
  }: {
    yaml: string
    environment?: NodeJS.ProcessEnv
    directory?: string
    /** Without what tap puts into every process: it ends them at signals that Node passes over. */
    isPlain?: boolean
  },
): Promise<RunningGateway> {
  const home = directory ?? (await temporaryDirectory(t))
  await mkdir(home, { recursive: true })
  const fixedPort = /^listen: *[^\n]*:(\d+)/m.exec(yaml)?.[1]
  const port = fixedPort === undefined ? await freePort() : Number(fixedPort)
  const configFile = join(home, 'gatelodge.yaml')
  const listen = fixedPort === undefined ? `listen: 127.0.0.1:${port}\n` : ''
  const store = /^store:/m.test(yaml) ? '' : '\nstore: { use: embedded, path: ./data }\n'
  await writeFile(configFile, `${listen}${keyFor(yaml)}${yaml}${store}`)

  const url = `http://localhost:${port}`
  const named = { ...environment, GATEWAY_PORT: String(port) }
  const env = { ...process.env, NODE_NO_WARNINGS: '1', ...named }
  let before = ''
  let child: Child | undefined
  async function start(): Promise<void> {
    before += child?.output() ?? ''
    const command = [process.execPath, main, 'start', '--config', configFile]
    const [program = '', ...args] = isPlain ? ['env', '-u', 'NODE_OPTIONS', ...command] : command
    const started = startChild(program, args, { cwd: home, env })
    child = started
    await until(
      'the gateway to be ready',
      () => {
        const end = started.ended()
        if (end !== undefined) throw new Error(`the gateway ended with ${end}:\n${started.output()}`)
        return isReady(port)
      },
      45_000,
    )
  }
  const logs = () => before + (child?.output() ?? '')
  t.teardown(() => child?.end('SIGKILL'))
  await start()
  return {
    url,
    port,
    configFile,
    directory: home,
    pid: () => child?.pid ?? Number.NaN,
    logs,
    logLines: () => logs().split('\n').flatMap(parseLine),
    stop: async () => (await child?.end('SIGTERM')) ?? 'not started',
    kill: async () => {
      await child?.end('SIGKILL')
    },
    start,
    run: (args, input) =>
      runGatelodge([...args, '--config', configFile], {
        ...(input === undefined ? {} : { input }),
        cwd: home,
        environment: named,
      }),
  }
}

/** One command of the built `gatelodge`, to its end. */
export async function runGatelodge(
  args: readonly string[],
  { input = '', cwd, environment = {} }: { input?: string; cwd?: string; environment?: NodeJS.ProcessEnv } = {},
): Promise<RunOutcome> {
  const env = { ...process.env, NODE_NO_WARNINGS: '1', ...environment }
  const child = spawn(process.execPath, [main, ...args], {
    env,
    // Of a command that hangs; on a machine that runs other tests meanwhile a start alone takes seconds.
    timeout: 120_000,
    ...(cwd === undefined ? {} : { cwd }),
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: typeof code === 'number' ? code : -1, stdout, stderr }
}

async function isReady(port: number): Promise<boolean> {
  try {
    const { statusCode, body } = await request(`http://127.0.0.1:${port}/.gatelodge/readyz`)
    await body.dump()
    return statusCode === 200
  } catch {
    return false
  }
}

function parseLine(line: string): Record<string, unknown>[] {
  if (!line.startsWith('{')) return []
  try {
    return [JSON.parse(line) as Record<string, unknown>]
  } catch {
    return []
  }
}
