import type { Command } from 'commander'
import { config, exit, json } from './command.js'

/** The keys that secrets in the store, and backups, are sealed with. */
export function addKeyCommands(program: Command): void {
  const keys = program.command('keys').description('keys that secrets in the store, and backups, are sealed with')
  keys
    .command('show', { isDefault: true })
    .description('say where the keys are, and how much is sealed with which of them')
    .addOption(config())
    .addOption(json())
    .action(
      exit(async (options) => {
        const { inStoreAlone } = await import('../with-config.js')
        const { keysShow } = await import('../commands/keys.js')
        return inStoreAlone(options.config, (services) => keysShow(services, process, options))
      }),
    )
  keys
    .command('new')
    .description('make a key: into a new file for this user alone, or on standard output')
    .argument('[file]', 'as in gatelodge.key; one that is there stays as it is')
    .addOption(json())
    .action(exit(async (file, options) => (await import('../commands/keys.js')).keysNew(process, file, options)))
  keys
    .command('rotate')
    .description('put a new key before the old one, and seal everything anew, while gateways run; again goes on')
    .option('--same-file', 'every gateway on this store reads the very key file of this machine')
    .addOption(config())
    .addOption(json())
    .action(exit(async (options) => (await import('../rotate-keys.js')).rotateKeys(options.config, options)))
}
