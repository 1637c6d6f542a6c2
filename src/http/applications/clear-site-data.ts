/**
 * `Clear-Site-Data` of an application (W3C Clear Site Data, 3.1) without the types that reach our cookies. `"cookies"` is
 * cleared for the whole registrable domain, so an application's sign-out would end the gateway's session and forget the
 * remembered device, there and on the hosts beside it; `"*"` means all types, those to come included, so it becomes the
 * other types of today.
 * @returns `undefined`: nothing is left to be said
 */
export function withoutCookieClearing(value: string): string | undefined {
  const kept = new Set<string>()
  for (const part of value.split(',')) {
    const type = part.trim()
    if (type === '"*"') for (const other of harmless) kept.add(other)
    // A list and not a ban: a browser may know a type tomorrow that takes cookies along.
    else if (harmless.includes(type)) kept.add(type)
  }
  return kept.size === 0 ? undefined : [...kept].join(', ')
}

const harmless = ['"cache"', '"clientHints"', '"executionContexts"', '"prefetchCache"', '"prerenderCache"', '"storage"']
