import { readdirSync, readFileSync } from 'node:fs'
import { Command } from 'commander'
import t from 'tap'
import { addAuditCommands } from '../../src/cli/program/audit.js'
import { addGatewayCommands } from '../../src/cli/program/gateway.js'
import { addLockCommands } from '../../src/cli/program/locks.js'
import { addSessionCommands } from '../../src/cli/program/sessions.js'
import { addSettingCommands } from '../../src/cli/program/settings.js'
import { addStoreCommands } from '../../src/cli/program/store.js'
import { addTokenCommands } from '../../src/cli/program/tokens.js'
import { addUserCommands } from '../../src/cli/program/users.js'
import { apiRoutes } from '../../src/http/api/routes.js'
import { operations } from '../../src/operations/catalog.js'

/** Every operation has three doors; where one makes no sense, the reason stands in its place. */

const program = new Command('gatelodge')
for (const add of [
  addGatewayCommands,
  addUserCommands,
  addSessionCommands,
  addLockCommands,
  addTokenCommands,
  addSettingCommands,
  addAuditCommands,
  addStoreCommands,
]) {
  add(program)
}

/** As in `user list`, for every command there is. */
const commands = program.commands.flatMap((command) =>
  command.commands.length === 0 ? [command.name()] : command.commands.map((each) => `${command.name()} ${each.name()}`),
)

/** Commands that are no operation, and why: there is nothing of it that the desk could do. */
const besides: Readonly<Record<string, string>> = {
  start: 'runs the gateway',
  reload: 'asks the gateway that runs',
  demo: 'runs the gateway',
  doctor: 'looks at what the gateway would need',
  check: 'reads the file alone',
  schema: 'reads nothing',
  version: 'reads nothing',
  init: 'writes the file before there is anything to ask',
  restore: 'takes the place of everything, the accounts of whoever could be asked among it',
  'migrate-store': 'is about two stores',
  'audit tail': 'goes on for as long as somebody looks',
  'audit verify': 'reads the chain from its beginning, however long that takes',
  'audit export': 'reads the chain from its beginning, however long that takes',
}

const isReason = (door: string | { none: string }) => typeof door !== 'string' && /^[A-Z].{20,}\.$/.test(door.none)

t.test('the command line', async (t) => {
  t.ok(commands.length > 20)
  for (const { name, doors } of operations) {
    const { commandLine } = doors
    t.ok(typeof commandLine === 'string' ? commands.includes(commandLine) : isReason(commandLine), name)
  }
  const led = new Set(operations.map(({ doors }) => doors.commandLine))
  t.same(
    commands.filter((command) => !led.has(command) && !(command in besides)),
    [],
    'no command does what only it can do',
  )
})

t.test('commands ask the desk, and change nothing past it', async (t) => {
  const folder = new URL('../../../src/cli/commands/', import.meta.url)
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  t.ok(files.length > 15)
  for (const file of files) {
    const text = readFileSync(new URL(file, folder), 'utf8')
    const imported = [
      ...text.matchAll(/^import (?!type )\{([^}]*)\} from '(?:\.\.\/)+identity\/([^']*)\.js'/gm),
    ].flatMap(([, names = '', from]) => names.split(',').map((name) => `${from}: ${name.trim()}`))
    t.same(
      imported.filter((each) => !/: (type .*|)$/.test(each) && !harmless.has(each)),
      [],
      `${file} takes nothing from the rooms that is not a word or a rule`,
    )
  }
})

/** Pure: they look at nothing and change nothing. */
const harmless = new Set([
  'accounts/account: roles',
  'passwords/password-rules: passwordFault',
  'store/never-restored: isNeverRestored',
])

t.test('the management API', async (t) => {
  for (const { name, doors } of operations) {
    const isThere = apiRoutes.some(
      ({ operation, method, path }) => operation.name === name && `${method} ${path}` === doors.api,
    )
    t.ok(isThere || isReason(doors.api), name)
  }
  const paths = apiRoutes.map(({ method, path }) => `${method} ${path}`)
  t.equal(new Set(paths).size, paths.length, 'no two at one address')
})

// That the form of each stands on its page, and works, is a test of the pages.
t.test('pages', async (t) => {
  for (const { name, doors } of operations) t.ok(typeof doors.page === 'string' || isReason(doors.page), name)
})
