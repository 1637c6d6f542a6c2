import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import t from 'tap'
import type { ExportedUser } from '../../../src/identity/accounts/import-users.js'
import { readUsers } from '../../../src/operations/transfer/read-users.js'
import { asSpreadsheetText, fromSpreadsheetText } from '../../../src/operations/transfer/spreadsheet-text.js'
import { usersText } from '../../../src/operations/transfer/write-users.js'

/** The attack: a user writes a formula into a field, and whoever opens the export computes it (OWASP, CSV injection). */

async function exported(users: readonly ExportedUser[]): Promise<string> {
  const parts: string[] = []
  for await (const part of usersText(
    'csv',
    (async function* () {
      yield* users
    })(),
  ))
    parts.push(part)
  return parts.join('')
}

/** What begins a formula somewhere. */
const formula = /^[\t\r\n ]*[=+\-@＝＋－＠]/
const ada: ExportedUser = { username: 'ada', groups: [], role: 'user', status: 'active', secondFactors: [] } as never

t.test('no cell of an export is a formula, whatever separates cells where it is opened', async (t) => {
  for (const start of ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', "'=", '\t=']) {
    const text = await exported([
      { ...ada, displayName: `${start}1+1|cmd`, groups: [`${start}1`, `x;${start}2`], mobile: '+12025550100' },
      { ...ada, username: `${start}HYPERLINK("http://x","y")`, displayName: `a;${start}1+1` },
    ])
    for (const delimiter of [',', ';', '\t']) {
      const rows = parse(text, { delimiter, relax_quotes: true, relax_column_count: true }) as string[][]
      for (const cell of rows.flat())
        t.notMatch(cell, formula, `${JSON.stringify(start)} with ${JSON.stringify(delimiter)}`)
    }
  }
})

t.test('export and import give back every user as it was', async (t) => {
  const sign = fc.constantFrom('=', '+', '-', '@', "'", '"', ',', ' ', '\t', '\r', '\n', '＝', '＠', 'a', '1', '|', ';')
  const some = fc.string({ unit: sign, minLength: 1, maxLength: 8 }).map((text) => `${text}x`)
  // What separates groups is in no name of one.
  const group = some.map((text) => text.replace(/[;|]/g, '').trim()).filter((text) => text !== '')
  const user = fc.record({ username: some, displayName: some, groups: fc.array(group, { minLength: 1, maxLength: 3 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(user, { minLength: 1, maxLength: 5 }), async (users) => {
      const { users: back, problems } = readUsers('csv', await exported(users.map((one) => ({ ...ada, ...one }))))
      t.same(problems, [])
      t.same(
        back.map(({ username, displayName, groups }) => ({ username, displayName, groups })),
        users,
      )
    }),
    { numRuns: 500 },
  )
})

t.test('the sign before a formula comes off as it went on, for every text', (t) => {
  const sign = fc.constantFrom('=', '+', '-', '@', "'", '\t', '\r', '\n', '＝', ';', '|', 'a', ' ')
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: sign, maxLength: 12 }), fc.string({ unit: 'binary' })), (text) => {
      return fromSpreadsheetText(asSpreadsheetText(text)) === text
    }),
    { numRuns: 5000 },
  )
  t.end()
})

t.test('a password of an import is taken as it is written', (t) => {
  const { users } = readUsers('csv', "username,password\nada,'=secret words\n")
  t.match(users, [{ password: "'=secret words" }])
  t.end()
})
