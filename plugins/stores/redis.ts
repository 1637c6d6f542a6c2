import { isDeepStrictEqual } from 'node:util'
import KeyvRedis, { type RedisClientType } from '@keyv/redis'
import { z } from 'zod'
import { definePlugin, type Json, type Logger, type Store, type StoredEntry } from '../../src/contracts.js'
import { credentialsAddress, filePath, urlFault, userinfoOf } from '../../src/plugin-kit.js'
import { Connection, type Script } from './redis/connection.js'
import { add, increment, remove, repair, set, swap, sweep } from './redis/scripts.js'
import { checkEviction, checkMemory } from './redis/server-settings.js'
import {
  behindSentinels,
  type Credentials,
  inCluster,
  oneServer,
  type Servers,
  withCredentials,
} from './redis/servers.js'
import { WatchedKey } from './redis/watched-key.js'

/** What a {@link RedisStore} is built from. */
export interface RedisStoreOptions {
  readonly connection: Connection
  /** Stands before everything of ours on the server. */
  readonly keyPrefix: string
  now(): number
  readonly log: Logger
  /** Pause between two looks for what has expired. */
  readonly sweepSeconds: number
}

/**
 * The store for any number of gateways on any number of machines. Lifetimes are judged by the gateway's clock, as in
 * every store; the server's own expiry only clears up behind it. How much a crash of the server loses is the server's
 * setting: on one server `appendonly yes` and `appendfsync always` lose nothing that was acknowledged; a failover may.
 */
export class RedisStore implements Store {
  readonly #connection: Connection
  #adapter: KeyvRedis<string> | undefined
  #watched: WatchedKey | undefined
  #watchedKey: string | undefined
  readonly #values: string
  readonly #keys: string
  readonly #expiries: string
  readonly #now: () => number
  readonly #log: Logger
  readonly #sweepPause: number
  /** Reads asked for in this turn of the event loop. They leave at its end, so whoever joins one sees nothing older. */
  readonly #reads = new Map<string, Promise<string | undefined>>()
  #sweeping: NodeJS.Timeout | undefined

  constructor({ connection, keyPrefix, now, log, sweepSeconds }: RedisStoreOptions) {
    this.#connection = connection
    this.#values = `${keyPrefix}value:`
    this.#keys = `${keyPrefix}keys`
    this.#expiries = `${keyPrefix}expiries`
    this.#now = now
    this.#log = log
    this.#sweepPause = sweepSeconds * 1000
    this.#sweepAfter(this.#sweepPause)
  }

  async get(key: string): Promise<Json | undefined> {
    checkKey(key)
    if (key === this.#watchedKey && this.#watched !== undefined) return this.#watched.read()
    const stored = await (this.#reads.get(key) ?? this.#read(key))
    const text = stored === undefined ? undefined : living(stored, this.#now())
    return text === undefined ? undefined : JSON.parse(text)
  }

  async set(key: string, value: Json, ttlSeconds?: number): Promise<void> {
    await this.#run(set, key, [textOf(value), ...this.#lifetime(ttlSeconds)])
  }

  async add(key: string, value: Json, ttlSeconds?: number): Promise<boolean> {
    return (await this.#run(add, key, [textOf(value), ...this.#lifetime(ttlSeconds)])) === 1
  }

  /** Compares here, where JSON has a meaning, and swaps there, if what was compared is still what is there. */
  async replace(key: string, expected: Json, value: Json, ttlSeconds?: number): Promise<boolean> {
    checkKey(key)
    const asStored = JSON.parse(textOf(expected))
    const change = [textOf(value), ...(ttlSeconds === undefined ? [] : this.#lifetime(ttlSeconds))]
    for (;;) {
      const stored = await this.#connection.ask((client) => client.get(this.#values + key))
      const text = stored === null ? undefined : living(stored, this.#now())
      if (stored === null || text === undefined || !isDeepStrictEqual(JSON.parse(text), asStored)) return false
      if ((await this.#run(swap, key, [stored, ...change])) === 1) return true
    }
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#run(remove, key, [])) === 1
  }

  async increment(key: string, ttlSeconds: number): Promise<number> {
    const count = await this.#run(increment, key, this.#lifetime(ttlSeconds))
    if (typeof count !== 'number') throw new Error('The key to be counted up holds no whole number.')
    return count
  }

  async list(prefix: string, page: { readonly after?: string; readonly limit?: number } = {}) {
    const limit = page.limit ?? 100
    const found: Array<readonly [string, Json]> = []
    const { after } = page
    let from =
      after !== undefined && Buffer.compare(Buffer.from(after), Buffer.from(prefix)) >= 0 ? `(${after}` : `[${prefix}`
    while (found.length < limit) {
      const keys = await this.#keysFrom(from, prefix)
      const last = keys.at(-1)
      if (last === undefined) break
      for (const [key, value] of await this.#living(keys)) if (found.length < limit) found.push([key, value])
      from = `(${last}`
    }
    return found
  }

  /** Not of one moment: what is written meanwhile may be in it or not. */
  async *snapshot(): AsyncGenerator<StoredEntry> {
    let from = '-'
    for (;;) {
      const keys = await this.#connection.ask((client) =>
        client.zRangeByLex(this.#keys, from, '+', { LIMIT: { offset: 0, count: 200 } }),
      )
      const last = keys.at(-1)
      if (last === undefined) return
      for (const [key, text, expiresAt] of await this.#alive(keys)) {
        const value: Json = JSON.parse(text)
        yield expiresAt === undefined ? { key, value } : { key, value, expiresAt }
      }
      from = `(${last}`
    }
  }

  /** In many steps: whoever looks meanwhile sees a part. */
  async replaceAll(entries: Iterable<StoredEntry>): Promise<number> {
    for await (const { key } of this.snapshot()) await this.delete(key)
    let kept = 0
    let writing: Promise<void>[] = []
    for (const { key, value, expiresAt } of entries) {
      const ttlSeconds = expiresAt === undefined ? undefined : (expiresAt - this.#now()) / 1000
      if (ttlSeconds !== undefined && ttlSeconds <= 0) continue
      writing.push(this.set(key, value, ttlSeconds))
      kept++
      if (writing.length < 500) continue
      await Promise.all(writing)
      writing = []
    }
    await Promise.all(writing)
    return kept
  }

  /** One key at most. Nothing is asked of the server for it until somebody reads the key. */
  watch(key: string): WatchedKey {
    checkKey(key)
    const parse = (stored: string) => {
      const text = living(stored, this.#now())
      return text === undefined ? undefined : (JSON.parse(text) as Json)
    }
    this.#watchedKey = key
    this.#watched = new WatchedKey(this.#connection, this.#values + key, parse)
    // Where the server does not let us watch, there is no copy, and every read asks.
    this.#watched.begin().catch((error: Error) => {
      this.#log.warn({ reason: error.message }, 'Redis does not say what changed: every request asks it')
    })
    return this.#watched
  }

  async close(): Promise<void> {
    clearTimeout(this.#sweeping)
    this.#sweeping = undefined
    await this.#connection.close()
  }

  #read(key: string): Promise<string | undefined> {
    const reading = this.#connection.ask((client) => this.#adapterOf(client).get<string>(this.#values + key))
    if (this.#reads.size === 0) setImmediate(() => this.#reads.clear())
    this.#reads.set(key, reading)
    return reading
  }

  /** Of the connection that stands now. */
  #adapterOf(client: RedisClientType): KeyvRedis<string> {
    if (this.#adapter?.client === client) return this.#adapter
    this.#adapter = new KeyvRedis(client, { throwOnErrors: true })
    this.#adapter.on('error', () => {}) // thrown as well; an event that nobody hears would be thrown a second time
    return this.#adapter
  }

  /** In order of UTF-8 bytes; no byte of UTF-8 is 0xff. */
  #keysFrom(from: string, prefix: string): Promise<string[]> {
    const end = Buffer.concat([Buffer.from(`(${prefix}`), Buffer.from([0xff])])
    return this.#connection.ask((client) =>
      client.zRangeByLex(this.#keys, from, end, { LIMIT: { offset: 0, count: 200 } }),
    )
  }

  async #living(keys: readonly string[]): Promise<Array<readonly [string, Json]>> {
    return (await this.#alive(keys)).map(([key, text]) => [key, JSON.parse(text)])
  }

  async #alive(keys: readonly string[]): Promise<Array<Alive>> {
    const stored = await this.#connection.ask((client) => client.mGet(keys.map((key) => this.#values + key)))
    const forgotten = keys.filter((_key, index) => stored[index] === null)
    if (forgotten.length > 0) await this.#connection.run(repair, [this.#keys], [this.#values, ...forgotten])
    const now = this.#now()
    return keys.flatMap((key, index): Alive[] => {
      const value = stored[index]
      const text = typeof value === 'string' ? living(value, now) : undefined
      if (text === undefined || typeof value !== 'string') return []
      const colon = value.indexOf(':')
      return colon === 0 ? [[key, text]] : [[key, text, Number(value.slice(0, colon))]]
    })
  }

  async #run(script: Script, key: string, args: readonly string[]): Promise<unknown> {
    checkKey(key)
    const keys = [this.#values + key, this.#keys, this.#expiries]
    const isWatched = key === this.#watchedKey
    if (isWatched) this.#watched?.forget()
    try {
      return await this.#connection.run(script, keys, [key, String(this.#now()), ...args])
    } finally {
      if (isWatched) this.#watched?.forget()
    }
  }

  /** Expiry, and ms after which the server may forget the value itself: later, so that a slow clock here decides. */
  #lifetime(ttlSeconds: number | undefined): [expiry: string, life: string] {
    if (ttlSeconds === undefined || ttlSeconds === Number.POSITIVE_INFINITY) return ['', '']
    if (!(ttlSeconds > 0)) throw new Error(`A lifetime in the store must be more than 0 seconds, not ${ttlSeconds}.`)
    const life = Math.min(Math.ceil(ttlSeconds * 1000) + 60_000, 4e12)
    return [String(this.#now() + ttlSeconds * 1000), String(life)]
  }

  #sweepAfter(pause: number): void {
    this.#sweeping = setTimeout(async () => {
      const sweeping = this.#sweeping
      const atMost = 500
      const swept = await this.#connection
        .run(sweep, [this.#keys, this.#expiries], [this.#values, String(this.#now()), String(atMost)])
        .catch((error: Error) => {
          if (this.#sweeping)
            this.#log.debug({ reason: error.message }, 'expired entries could not be removed from the store')
        })
      if (this.#sweeping === sweeping) this.#sweepAfter(swept === atMost ? 20 : this.#sweepPause)
    }, pause).unref()
  }
}

/** Without a time it stays until it is deleted. */
type Alive = readonly [key: string, text: string, expiresAt?: number]

/** The text of what is stored, unless it has expired. */
function living(stored: string, now: number): string | undefined {
  const colon = stored.indexOf(':')
  return colon > 0 && Number(stored.slice(0, colon)) <= now ? undefined : stored.slice(colon + 1)
}

function textOf(value: unknown): string {
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) throw new TypeError(`The store keeps JSON, not ${typeof value}.`)
  return text
}

/** The same keys as the embedded store, so that one can take the place of the other. */
const longestKeyBytes = 1970

function checkKey(key: string): void {
  if (key.length === 0) throw new Error('A key of the store must not be empty.')
  if (key.length * 3 > longestKeyBytes && Buffer.byteLength(key) > longestKeyBytes) {
    throw new Error(`A key of the store may have ${longestKeyBytes} bytes; this one has ${Buffer.byteLength(key)}.`)
  }
  if (/\p{Surrogate}/u.test(key)) throw new Error('A key of the store must be well-formed Unicode.')
}

const address = (what: string) =>
  credentialsAddress(/^rediss?:$/, what).describe(
    'Addresses start with rediss: where the server speaks TLS, which is always verified',
  )

const node = address('redis://host:26379')

export default definePlugin({
  kind: 'stores',
  options: z
    .strictObject({
      url: address('redis://host:6379 or rediss://host:6379/0')
        .exactOptional()
        .describe('Address of the Redis or Valkey server, version 6 or later, with the number of the database'),
      sentinel: z
        .strictObject({
          master: z.string().min(1).describe('What the Sentinels call the master'),
          nodes: z.array(node).min(1).max(20).describe('Addresses of the Sentinels'),
          username: z.string().min(1).exactOptional().describe('The name at the Sentinels, where it is in no address'),
          password: z.string().min(1).exactOptional().describe('The password at the Sentinels, as it is'),
        })
        .exactOptional()
        .describe('In place of `url`: the server that Sentinels name'),
      cluster: z
        .strictObject({
          nodes: z.array(node).min(1).max(20).describe('Addresses of some nodes'),
        })
        .exactOptional()
        .describe('In place of `url`: the node of a cluster that has our keys'),
      username: z.string().exactOptional().describe('The name at the server itself, where it is in no address'),
      password: z
        .string()
        .exactOptional()
        .describe('The password at the server itself, as it is: nothing in it needs percent-encoding'),
      database: z.int().min(0).exactOptional().describe('With `sentinel`: the number of the database'),
      ca: filePath().exactOptional().describe('PEM file of the authority that signed the certificates of the servers'),
      keyPrefix: z
        .string()
        .max(200)
        .default('{gatelodge}:')
        .describe('Stands before every key on the server; the part in braces keeps all in one slot of a cluster'),
      timeoutSeconds: z.number().min(0.01).max(60).default(0.8).describe('How long the server may take to answer'),
      sweepSeconds: z.number().min(0.01).default(30).describe('Pause between two looks for expired entries'),
    })
    .superRefine(checkAddresses),
  async create({ keyPrefix, timeoutSeconds, sweepSeconds, ...where }, { now, log }): Promise<Store> {
    const servers = serversOf(where, `${keyPrefix}keys`)
    // Too late to refuse one that took the place of another; its settings may differ all the same.
    const onAgain = (again: Connection) =>
      void checkEviction(again).catch(({ message }: Error) =>
        log.error({ reason: message }, 'Redis must not be used like this'),
      )
    const connection = await Connection.open({ servers, deadline: timeoutSeconds * 1000, log, onAgain })
    try {
      await checkMemory(connection, log)
    } catch (fault) {
      await connection.close()
      throw fault
    }
    return new RedisStore({ connection, keyPrefix, now, log, sweepSeconds })
  },
})

interface Addresses extends Credentials {
  readonly url?: string
  readonly sentinel?: Credentials & { readonly master: string; readonly nodes: readonly string[] }
  readonly cluster?: { readonly nodes: readonly string[] }
  readonly ca?: string
  readonly keyPrefix?: string
}

function checkAddresses(
  { url, sentinel, cluster, keyPrefix = '', ...rest }: Addresses,
  context: z.RefinementCtx,
): void {
  const say = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
  const ways = [url, sentinel, cluster].filter((way) => way !== undefined).length
  if (ways === 0) say([], 'needs one of `url`, `sentinel` and `cluster`')
  if (ways > 1) say([], 'has more than one of `url`, `sentinel` and `cluster`')
  const inUrl = url === undefined || urlFault(url) !== undefined ? {} : userinfoOf(url)
  for (const name of ['username', 'password'] as const) {
    if (inUrl[name] !== undefined && rest[name] !== undefined) say([name], 'stands in `url` as well: take one out')
  }
  if (url !== undefined && rest.database !== undefined) say(['database'], 'stands in `url`')
  if (cluster === undefined) return
  if (rest.database !== undefined) say(['database'], 'a cluster has one database')
  if (!hasHashTag(keyPrefix)) say(['keyPrefix'], 'needs a part in braces, as {gatelodge}: has')
}

/** Between the first `{` and the next `}` stands what decides which server of a cluster keeps a key (Redis Cluster specification). */
function hasHashTag(prefix: string): boolean {
  const open = prefix.indexOf('{')
  return open >= 0 && prefix.indexOf('}', open) > open + 1
}

function serversOf({ url, sentinel, cluster, ca, ...credentials }: Addresses, key: string): Servers {
  if (sentinel !== undefined) {
    return behindSentinels(
      sentinel.nodes.map((one) => withCredentials(one, sentinel)),
      sentinel.master,
      credentials,
      ca,
    )
  }
  if (cluster !== undefined) {
    return inCluster(
      cluster.nodes.map((one) => withCredentials(one, credentials)),
      key,
      credentials,
      ca,
    )
  }
  return oneServer(withCredentials(url ?? '', credentials), ca)
}
