import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../test/support/free-port.js'
import { startRedis } from '../test/support/redis-server.js'
import type { Scope } from '../test/support/scope.js'
import { temporaryDirectory } from '../test/support/temporary-directory.js'
import type { Generator } from './generator.js'
import { Program } from './program.js'
import { type Seeded, seed } from './seed.js'

/** How much of everything is done. */
export interface Extent {
  readonly requests: number
  readonly warmup: number
  readonly connections: number
  /** Of a load at an even rate. */
  readonly seconds: number
}

/** A store of the gateway with sessions in it. */
export interface SeededStore extends Seeded {
  /** As under `store:` in YAML. */
  readonly yaml: string
}

/** As under `secrets:` in YAML: a store opens with the key that it was seeded with. */
export const storeSecrets = `{ key: "${'42'.repeat(32)}" }`

export type StoreKind = 'thousand' | 'million' | 'redis'

/** What all measurements of one run share: the application behind everything, the one that sends, and seeded stores. */
export class Ground {
  readonly extent: Extent
  readonly directory: string
  readonly upstreamPort: number
  readonly generator: Generator
  readonly #scope: Scope
  readonly #stores = new Map<StoreKind, Promise<SeededStore>>()

  constructor(parts: { extent: Extent; directory: string; upstreamPort: number; generator: Generator; scope: Scope }) {
    this.extent = parts.extent
    this.directory = parts.directory
    this.upstreamPort = parts.upstreamPort
    this.generator = parts.generator
    this.#scope = parts.scope
  }

  static async open(scope: Scope, extent: Extent, generator: Generator): Promise<Ground> {
    const directory = await temporaryDirectory(scope)
    const upstream = await Program.ofOurs('upstream')
    scope.teardown(() => upstream.stop())
    return new Ground({ extent, directory, upstreamPort: upstream.port, generator, scope })
  }

  /** Seeded when it is wanted first. */
  store(kind: StoreKind): Promise<SeededStore> {
    const known = this.#stores.get(kind) ?? this.#seed(kind)
    this.#stores.set(kind, known)
    return known
  }

  /** A new directory for one process. */
  async place(name: string): Promise<{ directory: string; port: number }> {
    const port = await freePort()
    const directory = join(this.directory, `${name}-${port}`)
    await mkdir(directory, { recursive: true })
    return { directory, port }
  }

  async #seed(kind: StoreKind): Promise<SeededStore> {
    const sessions = kind === 'million' ? 1_000_000 : 1000
    const { directory } = await this.place(`seed-${kind}`)
    const yaml =
      kind === 'redis'
        ? `{ use: redis, url: "${(await startRedis(this.#scope)).url}" }`
        : `{ use: embedded, path: ${join(directory, 'data')} }`
    const file = join(directory, 'gatelodge.yaml')
    await writeFile(
      file,
      `listen: 127.0.0.1:1\nsites: [{ upstream: none }]\nstore: ${yaml}\nsecrets: ${storeSecrets}\n`,
    )
    return { ...(await seed(file, sessions)), yaml }
  }
}
