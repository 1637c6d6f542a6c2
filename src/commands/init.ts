import { rm, writeFile } from 'node:fs/promises'
import { check } from './check.js'
import { complain, done, failed, say, type Terminal, wrongUse } from './terminal.js'

/** As given on the command line. */
export interface InitOptions {
  /** The file that is written. */
  readonly config: string
  /** Where the application is. */
  readonly upstream?: string
  /** What people type. */
  readonly url?: string
  /** How the application is told who is there. */
  readonly identity?: string
  readonly listen?: string
  /** Takes what is proposed for everything that is not given. */
  readonly yes?: boolean
}

/** The few things that a first application needs. */
interface Answers {
  readonly upstream: string
  readonly url: string
  readonly identity: string
}

const proposed: Answers = { upstream: 'http://127.0.0.1:3000', url: 'http://localhost:8080', identity: 'remote-user' }

const identities = [
  { value: 'remote-user', hint: 'Remote-User, Remote-Email, Remote-Groups' },
  { value: 'x-forwarded-user', hint: 'X-Forwarded-User, X-Forwarded-Email, X-Forwarded-Groups' },
  { value: 'x-auth-request', hint: 'X-Auth-Request-User, -Email, -Groups' },
  { value: 'none', hint: 'it asks for its own password as before' },
]

/** `gatelodge init`: writes a file for one application, and says what comes next. A file that is there stays as it is. */
export async function init(options: InitOptions, terminal: Terminal = process): Promise<number> {
  const { config: file } = options
  const answers = await answersFor(options, terminal)
  if (typeof answers === 'number') return answers
  const wrong = [answers.upstream, answers.url].find((text) => !isAddress(text))
  if (wrong !== undefined) {
    return complain(terminal, wrongUse, `"${wrong}" is no address: it is one as in https://crm.example.com`)
  }
  const { listen = proposedListen(answers) } = options
  const text = fileFor(answers, listen)
  try {
    await writeFile(file, text, { flag: 'wx' })
  } catch (fault) {
    const { code, message } = fault as NodeJS.ErrnoException
    if (code !== 'EEXIST') return complain(terminal, failed, `${file} could not be written: ${message}`)
    return complain(terminal, wrongUse, `${file} is there already and stays as it is: name another with --config.`)
  }
  let problems = ''
  const write = (said: string) => {
    problems += said
  }
  if ((await check({ config: file }, { env: {}, stdout: { write: () => {} }, stderr: { write } })) !== 0) {
    await rm(file)
    return complain(terminal, wrongUse, `${problems}Nothing was written.`)
  }
  say(terminal, `Wrote ${file}:\n\n${text.replace(/^(?=.)/gm, '  ')}\n${nextSteps(answers, listen, file)}`)
  return done
}

/** @returns an exit code where somebody gave up, or nobody is there to be asked */
async function answersFor(options: InitOptions, terminal: Terminal): Promise<Answers | number> {
  const { upstream, url, identity } = options
  if (options.yes || (upstream !== undefined && url !== undefined)) {
    return { ...proposed, ...given({ upstream, url, identity }) }
  }
  if (terminal.stdin.isTTY !== true) {
    const missing = [...(upstream === undefined ? ['--upstream'] : []), ...(url === undefined ? ['--url'] : [])]
    return complain(terminal, wrongUse, `Nobody is here to be asked: give ${missing.join(' and ')}, or --yes.`)
  }
  const { group, select, text } = await import('@clack/prompts')
  const streams = { input: terminal.stdin, output: terminal.stdout }
  const validate = (said: string | undefined) =>
    said === undefined || said === '' || isAddress(said) ? undefined : 'An address, as in https://crm.example.com'
  const address = (message: string, initial: string) =>
    text({ message, placeholder: initial, defaultValue: initial, validate, ...streams })
  let gaveUp = false
  const answers = await group(
    {
      upstream: async () => upstream ?? address('Where is the application?', proposed.upstream),
      url: async () => url ?? address('What do people type to reach it?', proposed.url),
      identity: async () => {
        const message = 'In which headers does it read who is there?'
        return identity ?? select({ message, options: identities, ...streams })
      },
    },
    {
      onCancel: () => {
        gaveUp = true
      },
    },
  )
  return gaveUp ? complain(terminal, failed, 'Nothing was written.') : (answers as Answers)
}

/** Where what has the certificate finds it; without one, where people do. */
function proposedListen({ url }: Answers): string {
  const { protocol, port } = new URL(url)
  return protocol === 'https:' ? '127.0.0.1:8080' : `127.0.0.1:${port || '80'}`
}

/** At most 15 lines, with what is likely to be changed first. */
function fileFor({ upstream, url, identity }: Answers, listen: string): string {
  const { protocol, hostname, origin } = new URL(url)
  const isBehindTls = protocol === 'https:'
  const lines = [
    `listen: ${scalar(listen)}`,
    `publicUrl: ${scalar(origin)}`,
    ...(isBehindTls ? ['trustedProxies: [127.0.0.1]  # what has the certificate, and says who the client is'] : []),
    'sites:',
    ...(isBehindTls ? [`  - host: ${scalar(hostname)}`] : ['  - path: /']),
    `    upstream: ${scalar(new URL(upstream).origin)}`,
    `    identity: ${scalar(identity)}`,
    '    rules:  # the first that fits; without one: signed-in',
    '      - { path: /admin/**, access: second-factor }',
    'secondFactor:',
    '  methods:',
    '    - { use: totp }  # an authenticator app',
    'store: { use: embedded, path: ./data }',
  ]
  return `${lines.join('\n')}\n`
}

function nextSteps({ url, upstream }: Answers, listen: string, file: string): string {
  const where = file === 'gatelodge.yaml' ? '' : ` --config ${file}`
  const steps: readonly (readonly [string, string])[] = [
    [`gatelodge user add NAME --role owner${where}`, 'somebody who may sign in, and run all of it'],
    [`gatelodge doctor${where}`, `is everything there, and does ${new URL(upstream).origin} answer?`],
    [`gatelodge start${where}`, `then open ${new URL(url).origin}`],
  ]
  const width = Math.max(...steps.map(([command]) => command.length))
  const list = steps.map(([command, why]) => `  ${command.padEnd(width)}  # ${why}`).join('\n')
  const tls = url.startsWith('https:')
    ? `\nLet what has the certificate for ${new URL(url).host} pass everything to ${listen}: docs/recipes has how.`
    : ''
  return `Next:\n${list}\n${tls}`.trimEnd()
}

function isAddress(text: string): boolean {
  return URL.canParse(text) && /^https?:\/\/[^/]/.test(text)
}

/** In quotes, unless YAML reads it as it is anyway. */
function scalar(text: string): string {
  return /^[a-z0-9][\w./:-]*$/i.test(text) && !/:$/.test(text) ? text : JSON.stringify(text)
}

function given(options: { readonly [name: string]: string | undefined }): Partial<Answers> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
