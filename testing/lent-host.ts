import type { Host, MailTransport, Plugin, PluginKind, PluginKinds } from '../src/contracts.js'

/** What a plugin under test wrote to the operator. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

/** Lends one plugin what the gateway would lend it; what a transport does not need is not there. */
export function lentHost(
  more: { now?: () => number; mail?: MailTransport; origins?: readonly string[]; load?: Host['load'] } = {},
): Host & { lines: LogLine[] } {
  const lines: LogLine[] = []
  const write = (level: LogLine['level']) => (fields: object, message: string) => {
    lines.push({ level, fields, message })
  }
  const absent = (what: string): never => {
    throw new Error(`this host lends no ${what}`)
  }
  return {
    lines,
    now: more.now ?? (() => 1_700_000_000_000),
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    mail: more.mail,
    origins: more.origins ?? ['https://gate.example.com'],
    get store() {
      return absent('store')
    },
    get passwords() {
      return absent('passwords')
    },
    load: more.load ?? (async () => absent('other plugins')),
  }
}

/** Checks the options and builds the plugin, as the plugin host does. */
export async function build<Kind extends PluginKind>(
  plugin: Plugin<Kind>,
  options: unknown,
  host: Host = lentHost(),
): Promise<PluginKinds[Kind]> {
  return plugin.create(await plugin.options.parseAsync(options), host)
}
