import type { Command } from 'commander'
import { config, exit, json, withAnswer, withCore } from './command.js'

/** Everything that is kept, in one piece. */
export function addStoreCommands(program: Command): void {
  const transfer = () => import('../commands/transfer.js')
  program
    .command('import')
    .description('add the users of a file: CSV, JSON, htpasswd, or a users file of Authelia')
    .argument('<file>', '- for standard input')
    .option('--format <format>', 'csv, json, htpasswd or authelia, where the name of the file does not say')
    .option('--dry-run', 'say what is wrong and what would be done, and do nothing')
    .option('--skip-wrong', 'add the others where some lines are wrong')
    .addOption(config())
    .addOption(json())
    .action(
      exit((file, options) =>
        withAnswer(options, async (services, terminal) =>
          (await transfer()).usersImport(services, terminal, file, options),
        ),
      ),
    )
  program
    .command('export')
    .description('write everybody, without anything secret, as import reads it')
    .argument('[file]', 'standard output when left out')
    .option('--format <format>', 'csv or json')
    .addOption(config())
    .action(
      exit((file, options) =>
        withCore(options.config, async (services) => (await transfer()).usersExport(services, process, file, options)),
      ),
    )
  program
    .command('backup')
    .description('write everything in the store to a new file, while the gateway runs')
    .argument('<file>')
    .addOption(config())
    .action(
      exit((file, options) =>
        withCore(options.config, async (services) =>
          (await import('../commands/backup.js')).backup(services, process, file),
        ),
      ),
    )
  program
    .command('restore')
    .description('put a backup in the place of everything in the store; everybody signs in again')
    .argument('<file>')
    .option('--yes', 'do not ask')
    .option('--key <file>', 'the key file of the gateway that made it, where that was another')
    .addOption(config())
    .action(
      exit((file, options) =>
        withCore(options.config, async (services) =>
          (await import('../commands/backup.js')).restore(services, process, file, options),
        ),
      ),
    )
  program
    .command('migrate-store')
    .description('copy everything into the empty store that another YAML file names; stop the gateway first')
    .requiredOption('--to <file>', 'the YAML file with the new store')
    .addOption(config())
    .action(
      exit(async (options) => {
        const { betweenStores } = await import('../with-config.js')
        const { migrateStore } = await import('../commands/backup.js')
        return betweenStores(options.config, options.to, (from, to) => migrateStore(from, to, process))
      }),
    )
}
