import { readFileSync } from 'node:fs'
import { createClient, type RedisClientType } from '@keyv/redis'

/** A server, and what it takes to be let in. */
export interface ServerAddress {
  /** `redis:` or `rediss:`, with name, password and number of the database where there are any. */
  readonly url: string
  /** PEM of the authority that signed the server's certificate; those that Node knows when left out. */
  readonly ca?: string | undefined
}

/** Says which server is to be written to now. Asked at every connection, so that a failover is followed. */
export interface Servers {
  /** For the operator: hosts without passwords. */
  readonly name: string
  /** Whoever is named has to say its role: where it will not, it is not written to. */
  readonly mayNameReplica: boolean
  /** @throws in words for the operator when nobody says */
  find(deadline: number): Promise<ServerAddress>
}

/** The one server there is. */
export function oneServer(url: string, ca?: string): Servers {
  return { name: new URL(url).host, mayNameReplica: false, find: async () => ({ url, ca: pem(ca) }) }
}

/** How the server behind Sentinels or in a cluster is spoken to: the nodes give only its host. */
export interface Credentials {
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly database?: number | undefined
}

/**
 * The master that Sentinels name (Redis documentation, "Guidelines for Redis clients with support for Redis Sentinel"). It is
 * asked for its role when it is connected to: a Sentinel may not have heard yet that it is one no more.
 */
export function behindSentinels(
  nodes: readonly string[],
  master: string,
  credentials: Credentials,
  ca?: string,
): Servers {
  const ask = async (client: RedisClientType) => {
    const address = await client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master])
    if (!isPair(address)) throw new Error(`knows no master "${master}"`)
    return address
  }
  return fromNodes(nodes, ask, credentials, ca)
}

/**
 * The node of a cluster that has our keys: all of them are in one slot, because scripts change several in one step (Redis
 * cluster specification, "Hash tags"). So a cluster makes the store outlive a machine; it does not spread it.
 */
export function inCluster(nodes: readonly string[], key: string, credentials: Credentials, ca?: string): Servers {
  const ask = async (client: RedisClientType, node: URL) => {
    const slot = Number(await client.sendCommand(['CLUSTER', 'KEYSLOT', key]))
    const ranges = await client.sendCommand(['CLUSTER', 'SLOTS'])
    for (const range of Array.isArray(ranges) ? ranges : []) {
      const [from, to, owner] = range as [number, number, [string | null, number]]
      // A node that does not know its own name says nothing: it is the one that was asked.
      if (slot >= from && slot <= to) return [owner[0] || node.hostname, String(owner[1])] as const
    }
    throw new Error('no node of the cluster has the keys of the gateway now')
  }
  return fromNodes(nodes, ask, credentials, ca)
}

type Asked = (client: RedisClientType, node: URL) => Promise<readonly [host: string, port: string]>

function fromNodes(nodes: readonly string[], ask: Asked, credentials: Credentials, ca: string | undefined): Servers {
  const addresses = nodes.map((node) => new URL(node))
  const name = addresses.map(({ host }) => host).join(', ')
  return {
    name,
    mayNameReplica: true,
    async find(deadline) {
      const faults: string[] = []
      for (const node of addresses) {
        try {
          const [host, port] = await askNode({ url: node.href, ca: pem(ca) }, deadline, (client) => ask(client, node))
          return { url: urlOf(node.protocol, host, port, credentials), ca: pem(ca) }
        } catch (fault) {
          faults.push(`${node.host}: ${fault instanceof Error ? fault.message || fault.name : String(fault)}`)
        }
      }
      throw new Error(faults.join('; '))
    },
  }
}

async function askNode<Answer>(
  { url, ca }: ServerAddress,
  deadline: number,
  ask: (client: RedisClientType) => Promise<Answer>,
): Promise<Answer> {
  const socket = { reconnectStrategy: false, connectTimeout: deadline } as const
  const client = createClient({
    url,
    commandOptions: { timeout: deadline },
    disableOfflineQueue: true,
    socket: ca === undefined ? socket : { ...socket, tls: true, ca },
  }) as RedisClientType
  client.on('error', () => {}) // thrown as well
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${deadline} ms`)), deadline)
  })
  try {
    return await Promise.race([client.connect().then(() => ask(client)), late])
  } finally {
    clearTimeout(timer)
    if (client.isOpen) client.destroy()
  }
}

function urlOf(protocol: string, host: string, port: string, { username, password, database }: Credentials): string {
  const url = new URL(`${protocol}//${host.includes(':') ? `[${host}]` : host}:${port}`)
  if (database !== undefined) url.pathname = `/${database}`
  return withCredentials(url.href, { username, password })
}

/** The address with this name and password in it, as they are; what the address itself has comes before them. */
export function withCredentials(address: string, { username, password }: Credentials): string {
  const url = new URL(address)
  if (username !== undefined && url.username === '') url.username = encodeURIComponent(username)
  if (password !== undefined && url.password === '') url.password = encodeURIComponent(password)
  return url.href
}

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string')
}

/** Read anew at every connection: certificates are renewed. */
function pem(file: string | undefined): string | undefined {
  return file === undefined ? undefined : readFileSync(file, 'utf8')
}
