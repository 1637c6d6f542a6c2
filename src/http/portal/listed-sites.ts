import { createHash } from 'node:crypto'
import { hostName } from '../../access/policy.js'

/** A site as the page of applications lists it. */
export interface ListedSite {
  /** As compared; none: any host. */
  readonly host: string | undefined
  readonly path: string
  /** What people know it as. */
  readonly name: string
  /** Of its picture, below `/icons/`. */
  readonly icon?: string
  /** `false`: what is decided is only written down. */
  readonly isEnforced: boolean
}

export interface ListedSiteSettings {
  readonly host?: string | undefined
  readonly path: string
  readonly name?: string | undefined
  readonly listed: boolean
  readonly enforce: boolean
  /** A file. */
  readonly icon?: string | undefined
}

export interface SiteIcon {
  readonly type: string
  readonly bytes: Buffer
}

/** The sites that people are shown, with their icons, in memory: an icon's address has a digest of it and changes with it. */
export class ListedSites {
  readonly all: readonly ListedSite[]
  readonly #icons = new Map<string, SiteIcon>()

  /** @param load reads an icon, or throws */
  constructor(sites: readonly ListedSiteSettings[], load: (file: string) => SiteIcon) {
    this.all = sites.flatMap(({ host, path, name, icon, listed, enforce }) => {
      if (!listed) return []
      const known = host === undefined ? undefined : hostName(host)
      const words = name ?? `${known ?? ''}${path === '/' && known !== undefined ? '' : path}`
      const entry = { host: known, path, name: words, isEnforced: enforce }
      return [icon === undefined ? entry : { ...entry, icon: this.#keep(load(icon)) }]
    })
  }

  icon(name: string): SiteIcon | undefined {
    return this.#icons.get(name)
  }

  #keep(icon: SiteIcon): string {
    const name = createHash('sha256').update(icon.bytes).digest('base64url').slice(0, 22)
    this.#icons.set(name, icon)
    return name
  }
}
