import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startChild } from '../test/support/child.js'
import { freePort } from '../test/support/free-port.js'
import { until } from '../test/support/poll.js'

/** Of a program that is started on a port it is told. */
export interface Start {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly port: number
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/**
 * A process under measurement, with the processes it started itself. What it costs is read from /proc, so that a program
 * of ours and nginx are measured in the same way.
 */
export class Program {
  readonly port: number
  readonly #child: ReturnType<typeof startChild>

  private constructor(child: ReturnType<typeof startChild>, port: number) {
    this.#child = child
    this.port = port
  }

  /** @param isReady asked again and again until it says so */
  static async start(start: Start, isReady: (port: number) => Promise<boolean>): Promise<Program> {
    const { name, command, args, port, cwd, env } = start
    const child = startChild(command, args, { ...(cwd === undefined ? {} : { cwd }), env: { ...process.env, ...env } })
    try {
      await until(
        `${name} to be ready`,
        () => {
          if (child.ended() !== undefined) throw new Error(`${name} ended with ${child.ended()}:\n${child.output()}`)
          return isReady(port)
        },
        60_000,
      )
    } catch (fault) {
      await child.end('SIGKILL')
      throw fault
    }
    return new Program(child, port)
  }

  /** `bench/sides/<name>.js PORT ARGS…` in a Node of its own. */
  static async ofOurs(name: string, ...args: string[]): Promise<Program> {
    const path = fileURLToPath(new URL(`./sides/${name}.js`, import.meta.url))
    const port = await freePort()
    const start = { name, command: process.execPath, args: [path, String(port), ...args], port }
    return Program.start(start, (at) => answers(at, '/'))
  }

  /** By process: CPU time so far, user and system, on all its threads. */
  cpuSecondsEach(): ReadonlyMap<number, number> {
    return new Map(familyOf(this.#child.pid).map((pid) => [pid, cpuSeconds(pid)]))
  }

  cpuSeconds(): number {
    return [...this.cpuSecondsEach().values()].reduce((sum, each) => sum + each, 0)
  }

  /** Resident, of all its processes. */
  memoryMiB(): number {
    return sum(familyOf(this.#child.pid).map((pid) => memoryLine(pid, 'VmRSS')))
  }

  /** The most that was resident since {@link forgetPeak}. */
  peakMiB(): number {
    return sum(familyOf(this.#child.pid).map((pid) => memoryLine(pid, 'VmHWM')))
  }

  forgetPeak(): void {
    for (const pid of familyOf(this.#child.pid)) writeFileSync(`/proc/${pid}/clear_refs`, '5')
  }

  async stop(): Promise<void> {
    await this.#child.end('SIGTERM')
  }
}

/** Whether anything at all is said to a request, other than that it is not ready. */
export async function answers(port: number, path: string): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual' })
    await answer.arrayBuffer()
    return answer.status < 500
  } catch {
    return false
  }
}

/** A process and what descends from it. */
function familyOf(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), parentOf(name)] as const)
  const family = [pid]
  for (const member of family) family.push(...parents.filter(([, of]) => of === member).map(([child]) => child))
  return family
}

function parentOf(pid: string): number | undefined {
  const fields = fieldsOf(pid)
  return fields && Number(fields[1])
}

/** Of /proc/PID/stat, from the state on: the name before it may hold anything. */
function fieldsOf(pid: string | number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** To the nanosecond where the kernel says so; else to the hundredth of a second. */
function cpuSeconds(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    const each = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'))
    return sum(each.map((line) => Number(line.split(' ')[0]))) / 1e9
  } catch {
    const fields = fieldsOf(pid) ?? []
    return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100
  }
}

function memoryLine(pid: number, name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0)
}
