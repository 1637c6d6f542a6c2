import type { CanonicalTarget } from './canonical-target.js'

/** A decoded path, or a target with one. */
export type PathToRead = string | Pick<CanonicalTarget, 'path' | 'ways'>

/**
 * Every way an application may read one decoded path, the plainest first. A request is let through only if it may pass
 * under all of them, so a spelling that only the application understands can never open more than the rules say; and
 * spellings that old applications depend on (`/page/;v=1`) keep working wherever all readings meet the same rule.
 */
export function readings(target: PathToRead): readonly [string, ...string[]] {
  if (typeof target !== 'string' && target.ways !== undefined) return target.ways
  const path = typeof target === 'string' ? target : target.path
  if (!doubtful.test(path)) return path.length > 1 && path.endsWith('/') ? [path, path.slice(0, -1)] : [path]
  const own = path.replace(servletSession, '')
  const found = new Set([own])
  for (const reading of lenient) for (const known of [...found]) found.add(reading(known))
  const [, ...others] = found
  return [own, ...others]
}

/**
 * The session of a browser without cookies (Servlet specification, 7.1.3). It names no resource anywhere, so a rule for
 * `/login.jsp` alone still fits `/login.jsp;jsessionid=AB12.node1`.
 */
export const servletSession = /;jsessionid=[\w.!~*-]*$/i

/** Anything to read otherwise, but for a slash at the end. */
const doubtful = /[;?#]|[. ](?:\/|$)|:\$|[^\x00-\x7f]/

/** What lenient software makes of a path. Each is the identity on a path it has nothing to say about. */
export const lenient: ReadonlyArray<(path: string) => string> = [
  // HFS+ ignores these when it looks for a file (CVE-2014-9390).
  (path) => path.replace(/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g, ''),
  // Full-width and other look-alikes become ASCII in code pages ("best fit").
  (path) => path.normalize('NFKC'),
  // An escaped `?` or `#` ends the path where it is decoded before it is parsed (mod_rewrite, CVE-2024-38474).
  (path) => path.replace(/[?#].*$/s, ''),
  // Servlet containers take `;name=value` off every segment before they route.
  (path) => path.replace(/;[^/]*/g, ''),
  // NTFS opens `secret.txt::$DATA` as `secret.txt`, and a directory by its index, `:$I30:$INDEX_ALLOCATION` (CVE-1999-0278,
  // CVE-2010-2263, CVE-2010-2731). Names in the short form of DOS, as in `SECRET~1.TXT`, are no reading: what they stand for is in no path,
  // and servers on Windows refuse them themselves (nginx since 0.8.33, IIS) or ask by the long name (Apache).
  (path) => path.replace(/:[^/:]*:\$[^/]*/g, ''),
  // Windows opens `secret.txt.` and `secret.txt ` as `secret.txt`.
  (path) => path.replace(/(?<=[^/. ])[. ]+(?=\/|$)/g, ''),
  // Most routers answer `/admin/` as `/admin`.
  (path) => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path),
]
