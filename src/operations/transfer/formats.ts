/** How a file of users is written. */
export const formats = ['csv', 'json', 'htpasswd', 'authelia'] as const
export type Format = (typeof formats)[number]

/** By the name of a file; `undefined` where it does not say. */
export function formatOf(file: string): Format | undefined {
  if (/\.csv$/i.test(file)) return 'csv'
  if (/\.(json|jsonl|ndjson)$/i.test(file)) return 'json'
  if (file.split(/[/\\]/).at(-1)?.toLowerCase().includes('htpasswd')) return 'htpasswd'
  return /\.ya?ml$/i.test(file) ? 'authelia' : undefined
}
