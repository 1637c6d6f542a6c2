#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { useCompileCache } from './runtime/compile-cache.js'

useCompileCache()

/** The command line. Exit codes: 0 done, 1 failed, 2 wrong use or wrong configuration. */
const program = new Command('gatelodge')
  .description('An identity gateway: a password and a second factor in front of applications that already exist.')
  .version(version(), '-V, --version')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .showHelpAfterError('Try --help.')

const config = () => new Option('-c, --config <file>', 'the YAML file').default('gatelodge.yaml')
const json = () => new Option('--json', 'answer in JSON, for scripts')

/** Commands end with a number, and load what they need when they are run: none waits for the parts of another. */
const exit =
  <Args extends unknown[]>(run: (...args: Args) => Promise<number>) =>
  async (...args: Args) => {
    process.exitCode = await run(...args)
  }

type Rooms = Parameters<Parameters<typeof import('./runtime/with-config.js')['inHouse']>[1]>[0]
const inHouse = async (file: string, run: (rooms: Rooms) => Promise<number>) =>
  (await import('./runtime/with-config.js')).inHouse(file, run)
const users = () => import('./commands/user.js')
const open = () => import('./commands/sessions.js')
const supportDesk = () => import('./commands/support.js')

program
  .command('start')
  .description('run the gateway until SIGTERM or SIGINT')
  .addOption(config())
  .action(exit(async (options) => (await import('./runtime/start.js')).start(options.config)))
program
  .command('reload')
  .description('let the gateway that runs with this file read it anew; a file with mistakes changes nothing')
  .addOption(config())
  .action(exit(async (options) => (await import('./runtime/reload-command.js')).reloadRunning(options.config)))
program
  .command('doctor')
  .description('say whether everything the gateway needs is there and reachable')
  .addOption(config())
  .addOption(json())
  .action(exit(async (options) => (await import('./runtime/doctor.js')).doctor(options)))
program
  .command('demo')
  .description('run the demonstration: a sample application with the gateway in front of it')
  .action(exit(async () => (await import('./runtime/demonstration.js')).demonstrate()))
program
  .command('check')
  .description('say everything that is wrong with the YAML file')
  .addOption(config())
  .addOption(json())
  .action(exit(async (options) => (await import('./commands/check.js')).check(options)))
program
  .command('explain')
  .description('say what would become of a request, and why; or why one was stopped')
  .argument('[method]', 'as in GET')
  .argument('[url]', 'as in https://crm.example.com/admin, or a path')
  .option('--user <name>', 'who asks')
  .option('--from <address>', 'the address of the client')
  .option('--proof <proof>', 'what they proved: none, password, second-factor, device or token (default: password)')
  .option('--age <duration>', 'how long ago they proved it, as in 10m')
  .option('--at <time>', 'when, as in 2026-03-01T08:00:00Z; now unless you say')
  .option('--request <id>', 'a request that was stopped, by the number on its error page and in the log')
  .option('--log <file>', 'look for it in this log of the gateway; - is standard input')
  .addOption(config())
  .addOption(json())
  .action(
    exit((method, url, options) =>
      inHouse(options.config, async (rooms) => {
        const { explainRequest } = await import('./commands/explain.js')
        const explainer = (await import('./app.js')).openExplainer(rooms)
        const { publicUrl } = rooms.config
        return explainRequest({ ...rooms, explainer, publicUrl, file: options.config }, process, method, url, options)
      }),
    ),
  )
program
  .command('schema')
  .description('print the JSON Schema of the YAML file')
  .action(exit(async () => (await import('./commands/schema.js')).schema()))
program
  .command('version')
  .description('print the version')
  .action(() => console.log(version()))

const user = program.command('user').description('users and what the gateway keeps about them')
user
  .command('add')
  .description('add a user; asks for what is missing when you sit at the terminal')
  .argument('[name]')
  .option('--email <address>', 'where mail goes')
  .option('--mobile <number>', 'where text messages go, as in +12025550100')
  .option('--role <role>', 'owner, support, user or api')
  .option('--password-stdin', 'read the password from standard input')
  .addOption(config())
  .action(
    exit((name, options) =>
      inHouse(options.config, async (rooms) => (await users()).userAdd(rooms, process, name, options)),
    ),
  )
user
  .command('list')
  .description('everybody, in order of username')
  .addOption(config())
  .addOption(json())
  .action(
    exit((options) => inHouse(options.config, async (rooms) => (await users()).userList(rooms, process, options))),
  )

const onUser = (
  name: string,
  description: string,
  command: 'userShow' | 'userDeactivate' | 'userActivate' | 'userResetSecondFactor',
) =>
  user
    .command(name)
    .description(description)
    .argument('<name>')
    .addOption(config())
    .addOption(json())
    .action(
      exit((who, options) =>
        inHouse(options.config, async (rooms) => (await users())[command](rooms, process, who, options)),
      ),
    )
onUser('show', 'everything about one user', 'userShow')
onUser('deactivate', 'nothing of this user opens anything, from the next request on', 'userDeactivate')
onUser('activate', 'the user can sign in again', 'userActivate')
user
  .command('role')
  .description('make a user an owner, support, a plain user or a program; what is open ends')
  .argument('<name>')
  .argument('<role>', 'owner, support, user or api')
  .addOption(config())
  .action(
    exit((name, role, options) =>
      inHouse(options.config, async (rooms) => (await users()).userRole(rooms, process, name, role)),
    ),
  )
onUser('reset-second-factor', 'forget the second factors: the user sets one up anew', 'userResetSecondFactor')
const usersPolicy = () => import('./commands/user-policy.js')
user
  .command('require')
  .description('require a second factor of this user, whatever the installation asks')
  .argument('<name>')
  .option('--off', 'require it no longer of this user alone')
  .addOption(config())
  .action(
    exit((name, options) =>
      inHouse(options.config, async (rooms) => (await usersPolicy()).userRequire(rooms, process, name, options)),
    ),
  )
user
  .command('exempt')
  .description('let this user through without a second factor, where neither a rule nor the network asks for one')
  .argument('<name>')
  .option('--reason <text>', 'why: it is listed, and written to the audit')
  .option('--site <host...>', 'only there; every site when left out')
  .option('--network <range...>', 'only from there, as in 10.0.0.0/8; from everywhere when left out')
  .option('--until <date>', 'a day, to its end in UTC, or a moment, as in 2026-12-31T18:00Z')
  .option('--for <time>', 'for so long, as in 12h or 30d')
  .option('--off', 'take the exemption back')
  .addOption(config())
  .action(
    exit((name, { config, ...options }) =>
      inHouse(config, async (rooms) => (await usersPolicy()).userExempt(rooms, process, name, options)),
    ),
  )
user
  .command('addresses')
  .description('the only networks this user may come from')
  .argument('<name>')
  .argument('[range...]', 'as in 10.0.0.0/8 or 2001:db8::/32')
  .option('--any', 'from everywhere again')
  .addOption(config())
  .action(
    exit((name, ranges, options) =>
      inHouse(options.config, async (rooms) =>
        (await usersPolicy()).userAddresses(rooms, process, name, ranges, options),
      ),
    ),
  )
user
  .command('methods')
  .description('switch second factors off and on for this user, from the next sign-in on')
  .argument('<name>')
  .option('--off <method...>', 'neither offered nor asked, as in sms')
  .option('--on <method...>', 'offered and asked again')
  .addOption(config())
  .action(
    exit((name, options) =>
      inHouse(options.config, async (rooms) => (await usersPolicy()).userMethods(rooms, process, name, options)),
    ),
  )
user
  .command('recovery-code')
  .description('print a code that stands for the second factor, once, for an hour; the password is still asked')
  .argument('<name>')
  .addOption(config())
  .addOption(json())
  .action(
    exit((name, options) =>
      inHouse(options.config, async (rooms) => {
        const { userRecoveryCode } = await import('./commands/recovery-code.js')
        return userRecoveryCode(rooms, process, name, options)
      }),
    ),
  )

user
  .command('login-link')
  .description('mail a user a link that signs in without the password, for 24 hours and once')
  .argument('<name>')
  .addOption(config())
  .addOption(json())
  .action(
    exit((name, options) =>
      inHouse(options.config, async (rooms) => (await supportDesk()).userLoginLink(rooms, process, name, options)),
    ),
  )
user
  .command('message')
  .description('mail a user the words on standard input; [loginLink] in them becomes a link, in their copy only')
  .argument('<name>')
  .requiredOption('--title <title>', 'the subject of the mail')
  .option('--copy <address...>', 'who gets a copy, without the link')
  .addOption(config())
  .addOption(json())
  .action(
    exit((name, options) =>
      inHouse(options.config, async (rooms) => (await supportDesk()).userMessage(rooms, process, name, options)),
    ),
  )

const audit = program.command('audit').description('what happened, in one chain that shows when it was tampered with')
const trail = () => import('./commands/audit.js')
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
      inHouse(options.config, async (rooms) => {
        const stop = new AbortController()
        for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
        return (await trail()).auditTail(rooms, process, options, stop.signal)
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
    exit((options) => inHouse(options.config, async (rooms) => (await trail()).auditSearch(rooms, process, options))),
  )
audit
  .command('export')
  .description('every entry with its number and hash, one line of JSON each, the oldest first')
  .option('--since <time>', time)
  .option('--until <time>', time)
  .addOption(config())
  .addOption(json())
  .action(
    exit((options) => inHouse(options.config, async (rooms) => (await trail()).auditExport(rooms, process, options))),
  )
audit
  .command('verify')
  .description('look whether every entry is as it was written, and none is missing')
  .option('--head <hash>', 'a head that was printed before: it has to be in the chain still')
  .addOption(config())
  .addOption(json())
  .action(
    exit((options) => inHouse(options.config, async (rooms) => (await trail()).auditVerify(rooms, process, options))),
  )

program
  .command('owner-link')
  .description(
    'break the glass: a link that signs an owner in, and a code for the second factor, when no owner gets in',
  )
  .argument('[name]', 'which owner; may be left out while there is one')
  .addOption(config())
  .addOption(json())
  .action(
    exit((name, options) =>
      inHouse(options.config, async (rooms) => {
        const { ownerLink } = await import('./commands/owner-link.js')
        return ownerLink(rooms, process, name, options)
      }),
    ),
  )

const sessions = program.command('sessions').description('who is signed in, and ending it')
sessions
  .command('list')
  .description('what opens something now')
  .argument('[name]')
  .addOption(config())
  .addOption(json())
  .action(
    exit((name, options) =>
      inHouse(options.config, async (rooms) => (await open()).sessionsList(rooms, process, { ...options, name })),
    ),
  )
sessions
  .command('end')
  .description('one user signs in again, everywhere')
  .argument('<name>')
  .addOption(config())
  .action(
    exit((name, options) => inHouse(options.config, async (rooms) => (await open()).sessionsEnd(rooms, process, name))),
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
  .action(
    exit((options) => inHouse(options.config, async (rooms) => (await open()).sessionsClear(rooms, process, options))),
  )

const tokens = program.command('tokens').description('app tokens: credentials of programs')
const appTokens = () => import('./commands/tokens.js')
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
  .addOption(config())
  .addOption(json())
  .action(
    exit((name, options) =>
      inHouse(options.config, async (rooms) => (await appTokens()).tokensIssue(rooms, process, name, options)),
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
      inHouse(options.config, async (rooms) => (await appTokens()).tokensList(rooms, process, { ...options, name })),
    ),
  )
tokens
  .command('revoke')
  .description('a token opens nothing any more, from the next request on')
  .argument('<id>')
  .addOption(config())
  .action(
    exit((id, options) =>
      inHouse(options.config, async (rooms) => (await appTokens()).tokensRevoke(rooms, process, id)),
    ),
  )

const settings = program.command('settings').description('what may be changed while the gateway runs')
const runtimeSettings = () => import('./commands/settings.js')
settings
  .command('show', { isDefault: true })
  .description('what holds now, and whether it comes from the file or was changed')
  .addOption(config())
  .addOption(json())
  .action(
    exit((options) =>
      inHouse(options.config, async (rooms) => (await runtimeSettings()).settingsShow(rooms, process, options)),
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
      inHouse(options.config, async (rooms) =>
        (await runtimeSettings()).settingsSet(rooms, process, key, value, options),
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
      inHouse(options.config, async (rooms) => (await runtimeSettings()).settingsUnset(rooms, process, key, options)),
    ),
  )

const transfer = () => import('./commands/transfer.js')
program
  .command('import')
  .description('add the users of a file: CSV, JSON, htpasswd, or a users file of Authelia')
  .argument('<file>', '- for standard input')
  .option('--format <format>', 'csv, json, htpasswd or authelia, where the name of the file does not say')
  .option('--dry-run', 'say what is wrong and what would be done, and do nothing')
  .option('--skip-wrong', 'add the others where some lines are wrong')
  .addOption(config())
  .action(
    exit((file, options) =>
      inHouse(options.config, async (rooms) => (await transfer()).usersImport(rooms, process, file, options)),
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
      inHouse(options.config, async (rooms) => (await transfer()).usersExport(rooms, process, file, options)),
    ),
  )
program
  .command('backup')
  .description('write everything in the store to a new file, while the gateway runs')
  .argument('<file>')
  .addOption(config())
  .action(
    exit((file, options) =>
      inHouse(options.config, async (rooms) => (await import('./commands/backup.js')).backup(rooms, process, file)),
    ),
  )
program
  .command('restore')
  .description('put a backup in the place of everything in the store; everybody signs in again')
  .argument('<file>')
  .option('--yes', 'do not ask')
  .addOption(config())
  .action(
    exit((file, options) =>
      inHouse(options.config, async (rooms) =>
        (await import('./commands/backup.js')).restore(rooms, process, file, options),
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
      const { betweenStores } = await import('./runtime/with-config.js')
      const { migrateStore } = await import('./commands/backup.js')
      return betweenStores(options.config, options.to, (from, to) => migrateStore(from, to, process))
    }),
  )

await program.parseAsync()

function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}
