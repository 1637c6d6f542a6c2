import type { Command } from 'commander'
import { config, exit, inHouse, json } from './command.js'

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
      exit((options) => inHouse(options.config, async (rooms) => (await open()).locksList(rooms, process, options))),
    )
  locks
    .command('end')
    .description('judge passwords from one network again at once')
    .argument('<network>', 'as the list has it')
    .addOption(config())
    .action(
      exit((network, options) =>
        inHouse(options.config, async (rooms) => (await open()).locksEnd(rooms, process, network)),
      ),
    )
}
