import type { Command } from 'commander'
import { config, exit, inHouse, json } from './command.js'

/** Users, and helping them. */
export function addUserCommands(program: Command): void {
  const users = () => import('../commands/user.js')
  const supportDesk = () => import('../commands/support.js')

  const user = program.command('user').description('users and what the gateway keeps about them')
  user
    .command('add')
    .description('add a user; asks for what is missing when you sit at the terminal')
    .argument('[name]')
    .option('--email <address>', 'where mail goes')
    .option('--mobile <number>', 'where text messages go, as in +12025550100')
    .option('--display-name <text>', 'what people call them, as in Ada Lovelace')
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
    .option('--search <text>', 'who has this somewhere in the username, the display name or the mail address')
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) => inHouse(options.config, async (rooms) => (await users()).userList(rooms, process, options))),
    )

  const onUser = (
    name: string,
    description: string,
    command: 'userShow' | 'userDeactivate' | 'userActivate' | 'userUnlock' | 'userResetSecondFactor',
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
  user
    .command('change')
    .description('change the addresses, the display name or the groups of a user, who is told by mail')
    .argument('<name>')
    .option('--email <address>', 'where mail goes')
    .option('--mobile <number>', 'where text messages go, as in +12025550100')
    .option('--display-name <text>', 'what people call them, as in Ada Lovelace')
    .option('--group <name...>', 'every group the user is in')
    .option('--no-groups', 'the user is in no group')
    .option('--remove <what...>', 'email, mobile or displayName: it is no longer there')
    .addOption(config())
    .action(
      exit((name, options) =>
        inHouse(options.config, async (rooms) => (await users()).userChange(rooms, process, name, options)),
      ),
    )
  onUser('unlock', 'judge codes and passwords of this user again at once, after too many wrong ones', 'userUnlock')
  onUser('reset-second-factor', 'forget the second factors: the user sets one up anew', 'userResetSecondFactor')
  const approval = () => import('../commands/approval.js')
  user
    .command('approvals')
    .description('users whose second factor waits for an owner')
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) =>
        inHouse(options.config, async (rooms) => (await approval()).userApprovals(rooms, process, options)),
      ),
    )
  for (const [name, description] of [
    ['approve', 'let the second factor count that this user set up'],
    ['refuse', 'forget the second factor that this user set up and that waits'],
  ] as const) {
    user
      .command(name)
      .description(description)
      .argument('<name>')
      .addOption(config())
      .action(
        exit((who, options) =>
          inHouse(options.config, async (rooms) => (await approval()).userSettle(rooms, process, who, name)),
        ),
      )
  }
  const usersPolicy = () => import('../commands/user-policy.js')
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
          const { userRecoveryCode } = await import('../commands/recovery-code.js')
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
          const { ownerLink } = await import('../commands/owner-link.js')
          return ownerLink(rooms, process, name, options)
        }),
      ),
    )
}
