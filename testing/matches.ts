/**
 * Whether a value has what a pattern asks for: of objects every key of the pattern, of arrays every place, of text a part or
 * what a regular expression finds, and of everything else the same value.
 */
export function matches(actual: unknown, pattern: unknown): boolean {
  if (pattern instanceof RegExp) return pattern.test(String(actual))
  if (typeof pattern === 'string' && typeof actual === 'string') return actual.includes(pattern)
  if (typeof pattern !== 'object' || pattern === null) return Object.is(actual, pattern)
  if (typeof actual !== 'object' || actual === null) return false
  if (Array.isArray(pattern) && (!Array.isArray(actual) || actual.length !== pattern.length)) return false
  return Object.entries(pattern).every(([key, part]) => matches(Reflect.get(actual, key), part))
}
