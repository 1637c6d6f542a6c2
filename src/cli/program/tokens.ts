import type { Command } from 'commander'
import { config, exit, json, withAnswer, withCore } from './command.js'

/** Credentials of programs. */
export function addTokenCommands(program: Command): void {
  const tokens = program.command('tokens').description('app tokens: credentials of programs')
  const appTokens = () => import('../commands/tokens.js')
  tokens
    .command('issue')
    .description('print a new token of a user, this once')
    .argument('<name>')
    .option('--name <text>', 'what it is for, as lists show it')
    .option('--site <host...>', 'the hosts it is good for; all when left out')
    .option('--method <method...>', 'the methods it is good for; all when left out')
    .option('--path <pattern...>', 'the paths it is good for, as in /api/**; all when left out')
    .option('--from <network...>', 'the networks it may come from, as in 203.0.113.0/24; any when left out')
    .option('--expires <time>', 'how long it lasts, as in 90d; until it is revoked when left out')
    .option('--rate <rate>', 'how often it may be used, as in 60/m')
    .option('--admin', 'it opens the management API, and only those sites that --site names')
    .option(
      '--admin-scope <scope...>',
      'with --admin: owners (makes owners and changes them), backup (copies the store, secrets and all)',
    )
    .addOption(config())
    .addOption(json())
    .action(
      exit((name, options) =>
        withCore(options.config, async (services) => (await appTokens()).tokensIssue(services, process, name, options)),
      ),
    )
  tokens
    .command('list')
    .description('every token, without its secret')
    .argument('[name]')
    .addOption(config())
    .addOption(json())
    .action(
      exit((name, options) =>
        withCore(options.config, async (services) =>
          (await appTokens()).tokensList(services, process, { ...options, name }),
        ),
      ),
    )
  tokens
    .command('revoke')
    .description('a token opens nothing any more, from the next request on')
    .argument('<id>')
    .addOption(config())
    .addOption(json())
    .action(
      exit((id, options) =>
        withAnswer(options, async (services, terminal) => (await appTokens()).tokensRevoke(services, terminal, id)),
      ),
    )
}
