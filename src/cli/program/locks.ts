import type { Command } from 'commander'
import { config, exit, json, withAnswer, withCore } from './command.js'

/** Who has to wait after too many wrong codes or passwords. */
export function addLockCommands(program: Command): void {
  const open = () => import('../commands/locks.js')

  const locks = program.command('locks').description('who has to wait after too many wrong codes or passwords')
  locks
    .command('list', { isDefault: true })
    .description('users and networks that have to wait now; `user unlock` ends it for a user')
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) =>
        withCore(options.config, async (services) => (await open()).locksList(services, process, options)),
      ),
    )
  locks
    .command('end')
    .description('judge passwords from one network again at once')
    .argument('<network>', 'as the list has it')
    .addOption(config())
    .addOption(json())
    .action(
      exit((network, options) =>
        withAnswer(options, async (services, terminal) => (await open()).locksEnd(services, terminal, network)),
      ),
    )
}
