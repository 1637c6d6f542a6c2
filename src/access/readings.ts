/**
 * Every way an application may read one decoded path. A request is let through only if it may pass under all of them,
 * so a spelling that only the application understands can never open more than the rules say; and spellings that old
 * applications depend on (`/page;jsessionid=AB`) keep working, because all readings meet the same rule there.
 */
export function readings(path: string): readonly string[] {
  if (!doubtful.test(path)) return [path]
  const found = new Set([path])
  for (const reading of lenient) for (const known of [...found]) found.add(reading(known))
  return [...found]
}

const doubtful = /[;?#]|[/. ]$|[. ]\/|[^\x00-\x7f]/

/** What lenient software makes of a path. Each is the identity on a path it has nothing to say about. */
const lenient: ReadonlyArray<(path: string) => string> = [
  // Full-width and other look-alikes become ASCII in code pages ("best fit").
  (path) => path.normalize('NFKC'),
  // An escaped `?` or `#` ends the path where it is decoded before it is parsed (mod_rewrite, CVE-2024-38474).
  (path) => path.replace(/[?#].*$/s, ''),
  // Servlet containers take `;name=value` off every segment before they route.
  (path) => path.replace(/;[^/]*/g, ''),
  // Windows opens `secret.txt.` and `secret.txt ` as `secret.txt`.
  (path) => path.replace(/(?<=[^/. ])[. ]+(?=\/|$)/g, ''),
  // Most routers answer `/admin/` as `/admin`.
  (path) => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path),
]
