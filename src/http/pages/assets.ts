import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { SecondFactor } from '../../contracts.js'
import { GatelodgeError } from '../../errors.js'

const BUILT_IN = fileURLToPath(new URL('../../../../assets/', import.meta.url))

const TYPES = new Map([
  ['.css', 'text/css; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
  ['.png', 'image/png'],
  ['.webp', 'image/webp'],
  ['.jpg', 'image/jpeg'],
  ['.ico', 'image/x-icon'],
])

export interface Asset {
  readonly type: string
  readonly bytes: Buffer
}

/**
 * Styles, script and pictures of the hosted pages, in memory. Their address carries a digest of them all, so browsers
 * may keep them for a year and still get new ones with a new version.
 */
export class Assets {
  readonly #files = new Map<string, Asset>()
  /** The part of the address that changes when any of the files does. */
  readonly version: string

  /**
   * @param overrides the operator's directory: a file in its `assets/` replaces ours of the same name or adds to them
   * @param scripts of second factors that ask by a script of their own, by {@link scriptName}
   * @param more what the file names, by the names it is served by
   */
  constructor(
    overrides?: string,
    scripts: ReadonlyMap<string, string> = new Map(),
    more: ReadonlyMap<string, Asset> = new Map(),
  ) {
    this.#read(BUILT_IN)
    const own = overrides === undefined ? undefined : join(overrides, 'assets')
    if (own !== undefined && existsSync(own)) this.#read(own)
    for (const [name, text] of scripts) {
      this.#files.set(name, { type: 'text/javascript; charset=utf-8', bytes: Buffer.from(text) })
    }
    for (const [name, asset] of more) this.#files.set(name, asset)
    const digest = createHash('sha256')
    const files = [...this.#files].sort(([one], [other]) => (one < other ? -1 : 1))
    for (const [name, { bytes }] of files) digest.update(`${name}\n${bytes.length}\n`).update(bytes)
    this.version = digest.digest('base64url').slice(0, 16)
  }

  find(name: string): Asset | undefined {
    return this.#files.get(name)
  }

  /** Below the prefix. */
  path(name: string): string {
    return `/assets/${this.version}/${name}`
  }

  #read(directory: string): void {
    const names = readdirSync(directory, { withFileTypes: true }).filter((entry) => !entry.isDirectory())
    for (const { name } of names) {
      const type = TYPES.get(extname(name))
      if (type !== undefined) this.#files.set(name, { type, bytes: readFileSync(join(directory, name)) })
    }
  }
}

/** What the script of a second factor is called among the assets. @param use as YAML calls the factor */
export function scriptName(use: string): string {
  return `factor-${encodeURIComponent(use).replaceAll('%', '_')}.js`
}

/** The scripts of those second factors that bring one. */
export function scriptsOf(factors: ReadonlyMap<string, SecondFactor>): ReadonlyMap<string, string> {
  const scripts = [...factors].flatMap(([use, factor]): [string, string][] =>
    'asks' in factor && factor.script !== undefined ? [[scriptName(use), factor.script]] : [],
  )
  return new Map(scripts)
}

/** Asked for under the version it has, a file may be kept for a year; under another one, as while gateways are being replaced, not at all. */
export function serveAsset(assets: Assets) {
  return async (
    request: FastifyRequest<{ Params: { version: string; name: string } }>,
    reply: FastifyReply,
  ): Promise<FastifyReply> => {
    const { version, name } = request.params
    const asset = assets.find(name)
    if (asset === undefined) throw new GatelodgeError('not-found')
    if (version === assets.version) reply.header('cache-control', 'public, max-age=31536000, immutable')
    return reply.type(asset.type).send(asset.bytes)
  }
}
