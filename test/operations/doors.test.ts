import { Command } from 'commander'
import t from 'tap'
import { addAuditCommands } from '../../src/command-line/audit.js'
import { addGatewayCommands } from '../../src/command-line/gateway.js'
import { addSessionCommands } from '../../src/command-line/sessions.js'
import { addSettingCommands } from '../../src/command-line/settings.js'
import { addTokenCommands } from '../../src/command-line/tokens.js'
import { addUserCommands } from '../../src/command-line/users.js'
import { apiRoutes } from '../../src/http/api/routes.js'
import { operations } from '../../src/operations/catalog.js'

/** Every operation has three doors; where one makes no sense, the reason stands in its place. */

const program = new Command('gatelodge')
for (const add of [
  addGatewayCommands,
  addUserCommands,
  addSessionCommands,
  addTokenCommands,
  addSettingCommands,
  addAuditCommands,
]) {
  add(program)
}

/** As in `user list`, for every command there is. */
const commands = program.commands.flatMap((command) => [
  command.name(),
  ...command.commands.map((each) => `${command.name()} ${each.name()}`),
])

const isReason = (door: string | { none: string }) => typeof door !== 'string' && /^[A-Z].{20,}\.$/.test(door.none)

t.test('the command line', async (t) => {
  t.ok(commands.length > 20)
  for (const { name, doors } of operations) {
    const { commandLine } = doors
    t.ok(typeof commandLine === 'string' ? commands.includes(commandLine) : isReason(commandLine), name)
  }
})

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
