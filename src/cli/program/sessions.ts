import type { Command } from 'commander'
import { config, exit, json, withAnswer, withCore } from './command.js'

/** Who is signed in. */
export function addSessionCommands(program: Command): void {
  const open = () => import('../commands/sessions.js')

  const sessions = program.command('sessions').description('who is signed in, and ending it')
  sessions
    .command('list')
    .description('what opens something now')
    .argument('[name]')
    .addOption(config())
    .addOption(json())
    .action(
      exit((name, options) =>
        withCore(options.config, async (services) =>
          (await open()).sessionsList(services, process, { ...options, name }),
        ),
      ),
    )
  sessions
    .command('end')
    .description('one user signs in again, everywhere')
    .argument('<name>')
    .addOption(config())
    .addOption(json())
    .action(
      exit((name, options) =>
        withAnswer(options, async (services, terminal) => (await open()).sessionsEnd(services, terminal, name)),
      ),
    )
  sessions
    .command('clear')
    .description('everybody signs in again, or those the options name')
    .option('--user <name>', 'only this user')
    .option('--group <name>', 'only of users in this group when they signed in')
    .option('--site <host>', 'only those opened on this site')
    .option('--network <range>', 'only those opened from this network, as in 203.0.113.0/24')
    .option('--older-than-days <days>', 'only those begun that long ago')
    .option('--tokens', 'application tokens are revoked as well: programs stop')
    .option('--devices', 'remembered devices are forgotten as well: everybody gives a code again')
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) =>
        withAnswer(options, async (services, terminal) => (await open()).sessionsClear(services, terminal, options)),
      ),
    )
}
