import { createSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { z } from 'zod'
import { type AuditLine, definePlugin } from '../../src/contracts.js'

const facilities = {
  user: 1,
  daemon: 3,
  auth: 4,
  authpriv: 10,
  audit: 13,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
}
const names = Object.keys(facilities) as [keyof typeof facilities]

const options = z.strictObject({
  url: z
    .string()
    .regex(/^(udp:\/\/[^/?#@]+:\d{1,5}|tcp:\/\/[^/?#@]+:\d{1,5}|unix:\/\/\/[^?#]+)$/, {
      error: 'must be udp://host:514, tcp://host:601 or unix:///path/to/socket',
    })
    .describe('Where the syslog server listens: udp://host:514, tcp://host:601, or unix:///path for a stream socket.'),
  facility: z.enum(names).default('authpriv').describe('What the entries are filed under.'),
  appName: z
    .string()
    .regex(/^[\x21-\x7e]{1,48}$/)
    .default('gatelodge')
    .describe('The name of the program in each message.'),
  timeoutSeconds: z.number().min(0.05).max(60).default(5).describe('How long a connection or a write may take.'),
})

/**
 * Syslog of RFC 5424: the event as MSGID, the entry as JSON. Over TCP and Unix sockets each message begins with its
 * length (RFC 6587, 3.4.1), so that no entry can pass for two. No syslog server acknowledges anything: what is on its way
 * when a connection breaks may be lost there.
 */
export default definePlugin({
  kind: 'audit-outs',
  options,
  create({ url, facility, appName, timeoutSeconds }) {
    const header = { facility: facilities[facility], appName, host: hostname().replace(/[^\x21-\x7e]/g, '') || '-' }
    const timeout = timeoutSeconds * 1000
    const way = url.startsWith('udp:') ? datagrams(url, timeout) : stream(url, timeout)
    return {
      name: `syslog ${url}`,
      deliver: (entries) => way.send(entries.map((entry) => messageOf(entry, header))),
      close: () => way.close(),
    }
  },
})

interface Header {
  readonly facility: number
  readonly appName: string
  readonly host: string
}

interface Way {
  send(messages: readonly string[]): Promise<void>
  close(): Promise<void>
}

/** RFC 5424, 6. The text is ASCII, so that it needs no byte order mark. */
function messageOf({ event, outcome, time, text }: AuditLine, { facility, appName, host }: Header): string {
  const severity = outcome === 'success' || outcome === 'intended' ? INFORMATIONAL : WARNING
  const id = event.replace(/[^\x21-\x7e]/g, '').slice(0, 32) || '-'
  const ascii = text.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return `<${facility * 8 + severity}>1 ${time} ${host.slice(0, 255)} ${appName} ${process.pid} ${id} - ${ascii}`
}

const INFORMATIONAL = 6
const WARNING = 4

function datagrams(url: string, timeout: number): Way {
  const { hostname, port } = new URL(url.replace(/^udp:/, 'http:'))
  const host = hostname.replace(/^\[|\]$/g, '')
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4').unref()
  // What the network says of an earlier message (nobody listens there) is not about this one.
  socket.on('error', () => undefined)
  const send = (message: string) =>
    new Promise<void>((resolve, reject) => {
      socket.send(message, Number(port || 80), host, (error) => (error ? reject(error) : resolve()))
    })
  return {
    async send(messages) {
      for (const message of messages) await inTime(send(message), timeout)
    },
    close: () => new Promise((resolve) => socket.close(resolve)),
  }
}

function stream(url: string, timeout: number): Way {
  let socket: Socket | undefined
  const reach = async () => {
    if (socket !== undefined && !socket.destroyed && socket.writable) return socket
    socket?.destroy()
    socket = await inTime(opened(url), timeout)
    return socket
  }
  return {
    async send(messages) {
      const to = await reach()
      const framed = messages.map((message) => `${Buffer.byteLength(message)} ${message}`).join('')
      const written = new Promise<void>((resolve, reject) => {
        to.once('error', reject)
        to.write(framed, (error) => {
          to.off('error', reject)
          if (error) reject(error)
          else resolve()
        })
      })
      try {
        await inTime(written, timeout)
      } catch (error) {
        to.destroy()
        throw error
      }
    },
    async close() {
      socket?.end()
      socket?.unref()
    },
  }
}

function opened(url: string): Promise<Socket> {
  const address = new URL(url.replace(/^tcp:/, 'http:'))
  const socket = url.startsWith('unix:')
    ? connect(decodeURIComponent(address.pathname))
    : connect(Number(address.port || 80), address.hostname.replace(/^\[|\]$/g, ''))
  return new Promise((resolve, reject) => {
    const refuse = (error: Error) => reject(error)
    socket.once('error', refuse)
    socket.once('connect', () => {
      socket.off('error', refuse)
      // A server that goes away is seen by the next write; it must not end the process.
      socket.on('error', () => socket.destroy())
      socket.on('end', () => socket.destroy())
      socket.resume()
      resolve(socket.unref())
    })
  })
}

async function inTime<Result>(work: Promise<Result>, timeout: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('The syslog server did not answer in time')), timeout)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
