import type { Command } from 'commander'
import type { StopSignals } from '../../runtime/stop-signals.js'
import { config, exit, json, version, withCore } from './command.js'

/** Running the gateway, and asking about its file. */
export function addGatewayCommands(program: Command, stop?: StopSignals): void {
  program
    .command('init')
    .description('write a first file, for one application, or add one to a file (--add), and say what comes next')
    .option('--upstream <url>', 'where the application is, as in http://127.0.0.1:3000')
    .option('--url <url>', 'what people type, as in https://crm.example.com')
    .option(
      '--portal <url>',
      'where people sign in, as in https://login.example.com; the same as --url for no host of its own',
    )
    .option('--add', 'add the application to the file that is there, as another site')
    .option('--name <name>', 'what people know an added application as')
    .option('--identity <preset>', 'the headers it reads who is there from, as in remote-user')
    .option('--listen <address>', 'where the gateway listens, as in 127.0.0.1:8080')
    .option('-y, --yes', 'ask nothing, and take what is proposed for what is not given')
    .addOption(config())
    .action(exit(async (options) => (await import('../commands/init.js')).init(options)))
  program
    .command('start')
    .description('run the gateway until SIGTERM or SIGINT')
    .addOption(config())
    .action(
      exit(async (options) => {
        const { withConfig } = await import('../with-config.js')
        return withConfig(options.config, async (config) =>
          (await import('../../runtime/start.js')).runGateway(config, stop),
        )
      }),
    )
  program
    .command('reload')
    .description('let the gateway that runs with this file read it anew; a file with mistakes changes nothing')
    .addOption(config())
    .action(exit(async (options) => (await import('../reload.js')).reloadRunning(options.config)))
  program
    .command('doctor')
    .description('say whether everything the gateway needs is there and reachable')
    .addOption(config())
    .addOption(json())
    .action(exit(async (options) => (await import('../doctor/doctor.js')).doctor(options)))
  program
    .command('demo')
    .description('run the demonstration: a sample application with the gateway in front of it')
    .option('--port <port>', 'where, as in 8081: PORT in the environment, or 8080, unless you say')
    .action(exit(async (options) => (await import('../demo.js')).demonstrate(options)))
  program
    .command('check')
    .description('say everything that is wrong with the YAML file')
    .addOption(config())
    .addOption(json())
    .action(exit(async (options) => (await import('../commands/check.js')).check(options)))
  program
    .command('explain')
    .description('say what would become of a request, and why; or why one was stopped')
    .argument('[method]', 'as in GET')
    .argument('[url]', 'as in https://crm.example.com/admin, or a path')
    .option('--user <name>', 'who asks')
    .option('--from <address>', 'the address of the client')
    .option(
      '--proof <proof>',
      'what they proved: none, password, second-factor, passkey, device or token (default: password)',
    )
    .option('--token <id>', 'by this application token, as `tokens list` shows it; whose it is need not be said')
    .option('--age <duration>', 'how long ago they proved it, as in 10m')
    .option('--at <time>', 'when, as in 2026-03-01T08:00:00Z; now unless you say')
    .option('--request <id>', 'a request that was stopped, by the number on its error page and in the log')
    .option('--log <file>', 'look for it in this log of the gateway; - is standard input')
    .addOption(config())
    .addOption(json())
    .action(
      exit((method, url, options) =>
        withCore(options.config, async (services) => {
          const { explainRequest } = await import('../commands/explain/explain.js')
          const explainer = (await import('../../app.js')).openExplainer(services)
          const { publicUrl } = services.config
          return explainRequest(
            { ...services, explainer, publicUrl, file: options.config },
            process,
            method,
            url,
            options,
          )
        }),
      ),
    )
  program
    .command('schema')
    .description('print the JSON Schema of the YAML file')
    .action(exit(async () => (await import('../commands/schema.js')).schema()))
  program
    .command('version')
    .description('print the version')
    .action(() => console.log(version()))
}
