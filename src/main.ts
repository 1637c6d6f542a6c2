#!/usr/bin/env node
import { Command } from 'commander'
import { addAuditCommands } from './command-line/audit.js'
import { version } from './command-line/command.js'
import { addGatewayCommands } from './command-line/gateway.js'
import { addLockCommands } from './command-line/locks.js'
import { addSessionCommands } from './command-line/sessions.js'
import { addSettingCommands } from './command-line/settings.js'
import { addStoreCommands } from './command-line/store.js'
import { addTokenCommands } from './command-line/tokens.js'
import { addUserCommands } from './command-line/users.js'
import { useCompileCache } from './runtime/compile-cache.js'

useCompileCache()

/** The command line. Exit codes: 0 done, 1 failed, 2 wrong use or wrong configuration. */
const program = new Command('gatelodge')
  .description('An identity gateway: a password and a second factor in front of applications that already exist.')
  .version(version(), '-V, --version')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .showHelpAfterError('Try --help.')

addGatewayCommands(program)
addUserCommands(program)
addSessionCommands(program)
addLockCommands(program)
addTokenCommands(program)
addSettingCommands(program)
addAuditCommands(program)
addStoreCommands(program)

await program.parseAsync()
