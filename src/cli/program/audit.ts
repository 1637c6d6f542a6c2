import type { Command } from 'commander'
import { config, exit, json, withCore } from './command.js'

/** What happened. */
export function addAuditCommands(program: Command): void {
  const audit = program.command('audit').description('what happened, in one chain that shows when it was tampered with')
  const trail = () => import('../commands/audit.js')
  const time = 'a day or moment in UTC, as in 2026-02-28T13:30, or how long ago, as in 24h'
  audit
    .command('tail')
    .description('the newest entries')
    .option('-n, --lines <number>', 'how many', '20')
    .option('-f, --follow', 'go on with those that come')
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) =>
        withCore(options.config, async (services) => {
          const stop = new AbortController()
          for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
          return (await trail()).auditTail(services, process, options, stop.signal)
        }),
      ),
    )
  audit
    .command('search')
    .description('entries that fit everything named, the newest first')
    .option('--user <name>', 'about this user')
    .option('--event <event>', 'of this kind, as in policy.changed or admin.*')
    .option('--outcome <outcome>', 'success, refused, intended or failed')
    .option('--since <time>', time)
    .option('--until <time>', time)
    .option('--address <address>', 'from this address, or range of addresses')
    .option('--limit <number>', 'at most so many', '100')
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) =>
        withCore(options.config, async (services) => (await trail()).auditSearch(services, process, options)),
      ),
    )
  audit
    .command('export')
    .description('every entry with its number and hash, one line of JSON each, the oldest first')
    .option('--since <time>', time)
    .option('--until <time>', time)
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) =>
        withCore(options.config, async (services) => (await trail()).auditExport(services, process, options)),
      ),
    )
  audit
    .command('verify')
    .description('look whether every entry is as it was written, and none is missing')
    .option('--head <hash>', 'a head that was printed before: it has to be in the chain still')
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) =>
        withCore(options.config, async (services) => (await trail()).auditVerify(services, process, options)),
      ),
    )
}
