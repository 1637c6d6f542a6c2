import type { ExportedUser } from '../../identity/accounts/import-users.js'
import { asSpreadsheetText } from './spreadsheet-text.js'

const columns = ['username', 'email', 'mobile', 'groups', 'role', 'status', 'secondFactors', 'displayName'] as const

/** Users as `import` reads them, a line at a time. */
export async function* usersText(
  format: 'csv' | 'json',
  users: AsyncIterable<ExportedUser>,
): AsyncGenerator<string, void, undefined> {
  if (format === 'csv') yield `${columns.join(',')}\n`
  for await (const user of users) {
    yield `${format === 'json' ? JSON.stringify(user) : columns.map((name) => cell(user[name])).join(',')}\n`
  }
}

/** RFC 4180, 2. */
function cell(value: string | readonly string[] | undefined): string {
  const text = asSpreadsheetText(typeof value === 'object' ? value.join(';') : (value ?? ''))
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
