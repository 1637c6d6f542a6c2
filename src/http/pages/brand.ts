import { extname } from 'node:path'
import type { Asset } from './assets.js'

/** Whose the pages are, beside the name. */
export interface BrandSettings {
  /** A picture: its file, and what is in it. */
  readonly logo?: { readonly file: string } & Asset
  /** As CSS has colours. */
  readonly colors?: { readonly light: Colors; readonly dark: Colors }
  /** A mail address, a telephone number or a page, for people who need help. */
  readonly support?: string
}

interface Colors {
  readonly accent: string
  readonly accentStrong: string
  readonly onAccent: string
  readonly tint: string
}

/** What the layout of every page needs of it. */
export interface BrandData {
  /** Names among the assets. */
  readonly logo?: string
  readonly styles?: string
  readonly support?: { readonly words: string; readonly address: string }
}

/** The files of a brand among the assets, and what pages say of it. */
export function brandOf({ logo, colors, support }: BrandSettings): {
  readonly files: ReadonlyMap<string, Asset>
  readonly data: BrandData
} {
  const files = new Map<string, Asset>()
  const logoName = logo && `brand-logo${extname(logo.file).toLowerCase()}`
  if (logo !== undefined && logoName !== undefined) files.set(logoName, logo)
  if (colors !== undefined) files.set(STYLES, { type: 'text/css; charset=utf-8', bytes: Buffer.from(stylesOf(colors)) })
  const data = {
    ...(logoName === undefined ? {} : { logo: logoName }),
    ...(colors === undefined ? {} : { styles: STYLES }),
    ...(support === undefined ? {} : { support: { words: support, address: addressOf(support) } }),
  }
  return { files, data }
}

const STYLES = 'brand.css'

function stylesOf({ light, dark }: NonNullable<BrandSettings['colors']>): string {
  const root = ({ accent, accentStrong, onAccent, tint }: Colors) =>
    `:root{--accent:${accent};--accent-strong:${accentStrong};--on-accent:${onAccent};--tint:${tint}}`
  return `${root(light)}@media (prefers-color-scheme:dark){${root(dark)}}\n`
}

function addressOf(support: string): string {
  if (/^https?:\/\//i.test(support)) return support
  return support.includes('@') ? `mailto:${support}` : `tel:${support.replace(/[^\d+]/g, '')}`
}
