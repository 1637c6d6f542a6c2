import { z } from 'zod'
import {
  importUsers as addUsers,
  countTaken,
  exportedUsers,
  type ImportedUser,
  importProblems,
  type LineProblem,
} from '../../identity/accounts/import-users.js'
import { type Context, defineOperation, handedFile, Refusal, refuse } from '../operation.js'
import { lacksScope } from '../rights.js'
import { type Format, formats } from './formats.js'

export { formatOf, formats } from './formats.js'

/** In the browser and by API: what a request may hold up. More is for the command line. */
export const MOST_BYTES = 1024 * 1024
export const MOST_USERS = 5000

const importInput = z.strictObject({
  file: z.string().describe('All of the file.'),
  format: z.enum(formats, `Say what the file is: one of ${formats.join(', ')}.`),
  dryRun: z.boolean().default(false).describe('Say what is wrong and what would be done, and do nothing.'),
  skipWrong: z.boolean().default(false).describe('Add the others where some lines are wrong.'),
})

const problem = z.object({ line: z.int(), sentence: z.string() })

const importReport = z.object({
  dryRun: z.boolean(),
  users: z.int().describe('In the file, without those that are wrong.'),
  added: z.int().describe('Or, in a dry run, that would be.'),
  thereAlready: z.int().describe('Whose name is taken: left as they were.'),
  wrong: z.int().describe('Lines that are wrong; they were left out.'),
  problems: z.array(problem).describe('By line, a thousand at most.'),
})

export type ImportReport = z.output<typeof importReport>

export const importUsers = defineOperation({
  name: 'users.import',
  summary: 'add the users of a file: CSV, JSON, htpasswd, or a users file of Authelia',
  may: 'owner',
  fresh: true,
  event: 'admin.import',
  looksOnly: ({ dryRun }) => dryRun,
  takes: {
    field: 'file',
    bytes: MOST_BYTES,
    types: {
      'text/csv': { format: 'csv' },
      'application/json': { format: 'json' },
      'application/jsonl': { format: 'json' },
      'application/x-ndjson': { format: 'json' },
      'application/yaml': { format: 'authelia' },
      'text/plain': {},
    },
  },
  input: importInput,
  output: importReport,
  doors: { page: '/data', api: 'POST /import', commandLine: 'import' },
  async run(context) {
    const { services, by } = context
    if (services.directory.writable === undefined) {
      return refuse('The users of this directory are added where they come from.')
    }
    if (by.door === 'command-line') return runImport(context)
    // One at a time over all gateways: each takes what it can get of the store.
    const isFirst = await services.store.add(UNDERWAY, true, UNDERWAY_SECONDS)
    if (!isFirst) return refuse('Another import is under way. Try again when it is done.', 'underway')
    try {
      return await runImport(context)
    } finally {
      await services.store.delete(UNDERWAY)
    }
  },
})

const UNDERWAY = 'import-underway'
/** A gateway that dies in the middle holds others up no longer than this. */
const UNDERWAY_SECONDS = 120

async function runImport({
  services,
  input,
  by,
  write,
  came,
  tell,
}: Context<z.output<typeof importInput>>): Promise<ImportReport | Refusal> {
  const { format, dryRun, skipWrong } = input
  const read = await readFile(format, input.file, by.door === 'command-line')
  if (read === undefined) return refuse('This takes too long to read here. At the command line it may take its time.')
  const { users } = read
  if (by.door !== 'command-line') {
    if (users.length > MOST_USERS) {
      return refuse(
        `These are ${users.length} users, and here ${MOST_USERS} can be imported at once: import them in parts, or at the command line.`,
        'too-many',
      )
    }
    if (users.some(({ password }) => password !== undefined)) {
      return refuse(
        'Nobody sets the password of another: leave out the column "password". Hashes of passwords, as another system made them, can stay.',
      )
    }
  }
  const found = [...read.problems, ...(await importProblems(services, users))].sort((a, b) => a.line - b.line)
  const right = without(users, found)
  const problems = by.door === 'command-line' ? found : found.slice(0, MOST_PROBLEMS)
  const wrong = new Set(found.map(({ line }) => line)).size
  if (wrong > 0 && !skipWrong && !dryRun) {
    const faults = problems.map(({ line, sentence }) => ({ field: `line ${line}`, sentence }))
    const says = `Nothing was imported: ${wrong === 1 ? 'one line is' : `${wrong} lines are`} wrong. ${faults
      .slice(0, 10)
      .map(({ field, sentence }) => `${field}: ${sentence}`)
      .join(' ')}`
    return new Refusal('operation.input', says, { faults, reason: 'wrong-lines' })
  }
  const owners = right.flatMap(({ role, username }) => (role === 'owner' ? [username] : []))
  if (owners.length > 0 && lacksScope(by, 'owners')) return new Refusal('token.scope')
  const named = owners.length === 0 ? {} : { owners: owners.slice(0, 20) }
  await write({ details: { format, users: right.length, ...(dryRun ? { dryRun } : named) } })
  const report = { dryRun, users: right.length, wrong, problems }
  if (dryRun) {
    const thereAlready = await countTaken(services, right)
    return { ...report, added: right.length - thereAlready, thereAlready }
  }
  const counts = await addUsers(services, right, (count) => tell(count, right.length))
  const result = { added: counts.added, thereAlready: counts['there-already'] }
  came(result)
  return { ...report, ...result }
}

const MOST_PROBLEMS = 1000

/** What reads the files is loaded when there is one. */
async function readFile(format: Format, text: string, mayTakeItsTime: boolean) {
  if (mayTakeItsTime) return (await import('./read-users.js')).readUsers(format, text)
  return (await import('./read-off-loop.js')).readOffLoop(format, text)
}

function without(users: readonly ImportedUser[], problems: readonly LineProblem[]): readonly ImportedUser[] {
  const wrong = new Set(problems.map(({ line }) => line))
  return users.filter(({ line }) => !wrong.has(line))
}

export const exportUsers = defineOperation({
  name: 'users.export',
  summary: 'everybody, without anything secret, as import reads it',
  may: 'owner',
  fresh: true,
  event: 'admin.export',
  hands: ['text/csv', 'application/jsonl'],
  input: z.strictObject({ format: z.enum(['csv', 'json'], 'An export is csv or json.').default('csv') }),
  output: handedFile,
  doors: { page: '/data', api: 'GET /export', commandLine: 'export' },
  async run({ services, input: { format }, write }) {
    if (services.directory.writable === undefined) return refuse('This directory cannot be listed from here.')
    await write({ details: { format } })
    const { usersText } = await import('./write-users.js')
    return {
      name: format === 'csv' ? 'users.csv' : 'users.jsonl',
      type: format === 'csv' ? 'text/csv' : 'application/jsonl',
      content: usersText(format, exportedUsers(services)),
    }
  },
})
