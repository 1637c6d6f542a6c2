import type { Policy, Site, SiteSettings } from '../policy.js'
import { type CanonicalTarget, canonicalTarget } from './canonical-target.js'
import { oddTarget, withWays } from './odd-target.js'
import type { Spelling } from './spellings.js'

/** A target that is not judged. */
export interface Unread<S extends SiteSettings> {
  readonly path?: undefined
  /** What it would need its site to let pass; `undefined` where nothing would do. */
  readonly spelling?: Spelling
  readonly site?: Site<S>
}

/**
 * Reads a request-target as the site of its host lets it be read.
 * @param host as the request has it
 * @param raw the target, byte for byte
 * @param longest in bytes, where that is not what all have
 */
export function readTarget<S extends SiteSettings>(
  policy: Policy<S>,
  host: string | undefined,
  raw: string,
  longest?: number,
): CanonicalTarget | Unread<S> {
  const target = canonicalTarget(raw, longest)
  if (target !== undefined) return target
  const odd = oddTarget(raw)
  const site = odd && policy.site(host, odd.path)
  if (site === undefined) return {}
  const spelling = odd?.needs.find((need) => site.settings.paths?.[need] !== 'pass')
  if (spelling !== undefined) return { spelling, site }
  return (odd && withWays(odd)) ?? {}
}
