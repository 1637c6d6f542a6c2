import { Command } from 'commander'
import type { StopSignals } from '../../runtime/stop-signals.js'
import { addAuditCommands } from './audit.js'
import { version } from './command.js'
import { addCompletion } from './completion.js'
import { showExamples } from './examples.js'
import { addGatewayCommands } from './gateway.js'
import { addKeyCommands } from './keys.js'
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
  await programOf(stop).parseAsync()
}

/** Every command, and nothing run yet. */
export function programOf(stop?: StopSignals): Command {
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
  addKeyCommands(program)

  addCompletion(program)
  showExamples(program)
  return program
}
