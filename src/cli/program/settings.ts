import type { Command } from 'commander'
import { config, exit, json, withCore } from './command.js'

/** What may be changed while the gateway runs. */
export function addSettingCommands(program: Command): void {
  const settings = program.command('settings').description('what may be changed while the gateway runs')
  const runtimeSettings = () => import('../commands/settings.js')
  settings
    .command('show', { isDefault: true })
    .description('what holds now, and whether it comes from the file or was changed')
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) =>
        withCore(options.config, async (services) =>
          (await runtimeSettings()).settingsShow(services, process, options),
        ),
      ),
    )
  settings
    .command('preview')
    .description('say whom a change would affect, and change nothing')
    .argument('<key>', 'as in session.duration')
    .argument('<value>', 'as the YAML file would have it')
    .addOption(config())
    .addOption(json())
    .action(
      exit((key, value, options) =>
        withCore(options.config, async (services) =>
          (await runtimeSettings()).settingsPreview(services, process, key, value, options),
        ),
      ),
    )
  settings
    .command('set')
    .description('change a setting on every gateway of this store, from the next request on')
    .argument('<key>', 'as in secondFactor.required')
    .argument('<value>', 'as the YAML file would have it')
    .addOption(config())
    .addOption(json())
    .action(
      exit((key, value, options) =>
        withCore(options.config, async (services) =>
          (await runtimeSettings()).settingsSet(services, process, key, value, options),
        ),
      ),
    )
  settings
    .command('unset')
    .description('what the file says holds again')
    .argument('<key>')
    .addOption(config())
    .addOption(json())
    .action(
      exit((key, options) =>
        withCore(options.config, async (services) =>
          (await runtimeSettings()).settingsUnset(services, process, key, options),
        ),
      ),
    )
}
