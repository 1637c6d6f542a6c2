import { Command } from 'commander'
import type { StopSignals } from '../runtime/stop.js'
import { addAuditCommands } from './audit.js'
import { version } from './command.js'
import { addGatewayCommands } from './gateway.js'
import { addLockCommands } from './locks.js'
import { addSessionCommands } from './sessions.js'
import { addSettingCommands } from './settings.js'
import { addStoreCommands } from './store.js'
import { addTokenCommands } from './tokens.js'
import { addUserCommands } from './users.js'

/**
 * The command line. Exit codes: 0 done, 1 failed, 2 wrong use or wrong configuration.
 * @param stop heard already, for `start`
 */
export async function runProgram(stop?: StopSignals): Promise<void> {
  const program = new Command('gatelodge')
    .description('An identity gateway: a password and a second factor in front of applications that already exist.')
    .version(version(), '-V, --version')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .showHelpAfterError('Try --help.')

  addGatewayCommands(program, stop)
  addUserCommands(program)
  addSessionCommands(program)
  addLockCommands(program)
  addTokenCommands(program)
  addSettingCommands(program)
  addAuditCommands(program)
  addStoreCommands(program)

  await program.parseAsync()
}
