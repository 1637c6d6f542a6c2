#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { check } from './commands/check.js'
import { schema } from './commands/schema.js'
import { sessionsClear, sessionsEnd, sessionsList } from './commands/sessions.js'
import { userActivate, userAdd, userDeactivate, userList, userResetSecondFactor, userShow } from './commands/user.js'
import { createLog } from './runtime/log.js'
import { runGateway } from './runtime/start.js'
import { inHouse, withConfig } from './runtime/with-config.js'

/** The command line. Exit codes: 0 done, 1 failed, 2 wrong use or wrong configuration. */
const program = new Command('gatelodge')
  .description('An identity gateway: a password and a second factor in front of applications that already exist.')
  .version(version(), '-V, --version')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .showHelpAfterError('Try --help.')

const config = () => new Option('-c, --config <file>', 'the YAML file').default('gatelodge.yaml')
const json = () => new Option('--json', 'answer in JSON, for scripts')

/** Commands end with a number; open handles (a store that closes late) do not keep the process. */
const exit =
  <Args extends unknown[]>(run: (...args: Args) => Promise<number>) =>
  async (...args: Args) => {
    process.exitCode = await run(...args)
  }

program
  .command('start')
  .description('run the gateway until SIGTERM or SIGINT')
  .addOption(config())
  .action(exit((options) => withConfig(options.config, (config) => runGateway(config, createLog(config.log.level)))))
program
  .command('demo')
  .description('run the demonstration: a sample application with the gateway in front of it')
  .action(exit(async () => (await import('./runtime/demonstration.js')).demonstrate()))
program
  .command('check')
  .description('say everything that is wrong with the YAML file')
  .addOption(config())
  .addOption(json())
  .action(exit((options) => check(options)))
program
  .command('schema')
  .description('print the JSON Schema of the YAML file')
  .action(exit(() => schema()))
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
  .action(exit((name, options) => inHouse(options.config, (rooms) => userAdd(rooms, process, name, options))))
user
  .command('list')
  .addOption(config())
  .addOption(json())
  .action(exit((options) => inHouse(options.config, (rooms) => userList(rooms, process, options))))

const onUser = (name: string, description: string, run: typeof userShow | typeof userDeactivate) =>
  user
    .command(name)
    .description(description)
    .argument('<name>')
    .addOption(config())
    .addOption(json())
    .action(exit((who, options) => inHouse(options.config, (rooms) => run(rooms, process, who, options))))
onUser('show', 'everything about one user', userShow)
onUser('deactivate', 'nothing of this user opens anything, from the next request on', userDeactivate)
onUser('activate', 'the user can sign in again', userActivate)
onUser('reset-second-factor', 'forget the second factors: the user sets one up anew', userResetSecondFactor)

const sessions = program.command('sessions').description('who is signed in, and ending it')
sessions
  .command('list')
  .argument('[name]')
  .addOption(config())
  .addOption(json())
  .action(
    exit((name, options) => inHouse(options.config, (rooms) => sessionsList(rooms, process, { ...options, name }))),
  )
sessions
  .command('end')
  .description('one user signs in again, everywhere')
  .argument('<name>')
  .addOption(config())
  .action(exit((name, options) => inHouse(options.config, (rooms) => sessionsEnd(rooms, process, name))))
sessions
  .command('clear')
  .description('everybody signs in again')
  .addOption(config())
  .action(exit((options) => inHouse(options.config, (rooms) => sessionsClear(rooms, process))))

await program.parseAsync()

function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}
