import type { Command } from 'commander'
import { config, exit, json, withAnswer, withCore } from './command.js'

/** Users, and helping them. */
export function addUserCommands(program: Command): void {
  const users = () => import('../commands/user/user.js')
  const supportDesk = () => import('../commands/user/support.js')

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
    .addOption(json())
    .action(
      exit((name, options) =>
        withAnswer(options, async (services, terminal) => (await users()).userAdd(services, terminal, name, options)),
      ),
    )
  user
    .command('list')
    .description('everybody, in order of username')
    .option('--search <text>', 'who has this somewhere in the username, the display name or the mail address')
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) =>
        withCore(options.config, async (services) => (await users()).userList(services, process, options)),
      ),
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
          withAnswer(options, async (services, terminal) => (await users())[command](services, terminal, who, options)),
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
    .addOption(json())
    .action(
      exit((name, role, options) =>
        withAnswer(options, async (services, terminal) => (await users()).userRole(services, terminal, name, role)),
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
    .addOption(json())
    .action(
      exit((name, options) =>
        withAnswer(options, async (services, terminal) =>
          (await users()).userChange(services, terminal, name, options),
        ),
      ),
    )
  onUser('unlock', 'judge codes and passwords of this user again at once, after too many wrong ones', 'userUnlock')
  onUser('reset-second-factor', 'forget the second factors: the user sets one up anew', 'userResetSecondFactor')
  const approval = () => import('../commands/user/approval.js')
  user
    .command('approvals')
    .description('users whose second factor waits for an owner')
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) =>
        withCore(options.config, async (services) => (await approval()).userApprovals(services, process, options)),
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
      .addOption(json())
      .action(
        exit((who, options) =>
          withAnswer(options, async (services, terminal) =>
            (await approval()).userSettle(services, terminal, who, name),
          ),
        ),
      )
  }
  const usersPolicy = () => import('../commands/user/policy.js')
  user
    .command('require')
    .description('require a second factor of this user, whatever the installation asks')
    .argument('<name>')
    .option('--off', 'require it no longer of this user alone')
    .addOption(config())
    .addOption(json())
    .action(
      exit((name, options) =>
        withAnswer(options, async (services, terminal) =>
          (await usersPolicy()).userRequire(services, terminal, name, options),
        ),
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
    .addOption(json())
    .action(
      exit((name, { config, json, ...options }) =>
        withAnswer({ config, json }, async (services, terminal) =>
          (await usersPolicy()).userExempt(services, terminal, name, options),
        ),
      ),
    )
  user
    .command('addresses')
    .description('the only networks this user may come from')
    .argument('<name>')
    .argument('[range...]', 'as in 10.0.0.0/8 or 2001:db8::/32')
    .option('--any', 'from everywhere again')
    .addOption(config())
    .addOption(json())
    .action(
      exit((name, ranges, options) =>
        withAnswer(options, async (services, terminal) =>
          (await usersPolicy()).userAddresses(services, terminal, name, ranges, options),
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
    .addOption(json())
    .action(
      exit((name, options) =>
        withAnswer(options, async (services, terminal) =>
          (await usersPolicy()).userMethods(services, terminal, name, options),
        ),
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
        withCore(options.config, async (services) => {
          const { userRecoveryCode } = await import('../commands/user/recovery-code.js')
          return userRecoveryCode(services, process, name, options)
        }),
      ),
    )

  user
    .command('invite-link')
    .description('print a link to hand over to a user who has not come in yet: it signs in once, within 24 hours')
    .argument('<name>')
    .addOption(config())
    .addOption(json())
    .action(
      exit((name, options) =>
        withCore(options.config, async (services) =>
          (await supportDesk()).userInviteLink(services, process, name, options),
        ),
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
        withCore(options.config, async (services) =>
          (await supportDesk()).userLoginLink(services, process, name, options),
        ),
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
        withCore(options.config, async (services) =>
          (await supportDesk()).userMessage(services, process, name, options),
        ),
      ),
    )

  program
    .command('setup-link')
    .description('print a link that makes the first owner in a browser, once and within an hour, while there is none')
    .addOption(config())
    .addOption(json())
    .action(
      exit((options) =>
        withCore(options.config, async (services) => {
          const { setupLink } = await import('../commands/setup-link.js')
          return setupLink(services, process, options)
        }),
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
        withCore(options.config, async (services) => {
          const { ownerLink } = await import('../commands/owner-link.js')
          return ownerLink(services, process, name, options)
        }),
      ),
    )
}
