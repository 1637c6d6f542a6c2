import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { dirname, join } from 'node:path'
import { done, failed, wrongUse } from '../../exit-codes.js'
import { keysFromFileOrNew } from '../../secrets/key-file.js'
import { complain, say, type Terminal } from '../terminal.js'
import { check } from './check.js'
import { faultOfAddress, isAddress, scalar } from './init-text.js'

/** As given on the command line. */
export interface InitOptions {
  /** The file that is written. */
  readonly config: string
  /** Where the application is. */
  readonly upstream?: string
  /** What people type. */
  readonly url?: string
  /** Where people sign in. */
  readonly portal?: string
  /** Adds a site to the file that is there. */
  readonly add?: boolean
  /** What people know the added application as. */
  readonly name?: string
  /** How the application is told who is there. */
  readonly identity?: string
  readonly listen?: string
  /** Takes what is proposed for everything that is not given. */
  readonly yes?: boolean
}

interface Application {
  readonly upstream: string
  readonly url: string
}

/** The few things that a first application needs. */
interface Answers extends Application {
  /** More of them, each on a host of its own. */
  readonly further: readonly Application[]
  /** A host of its own for the sign-in, or that of the application. */
  readonly portal: string
  readonly identity: string
}

const proposed: Omit<Answers, 'portal' | 'further'> = {
  upstream: 'http://127.0.0.1:3000',
  url: 'http://localhost:8080',
  identity: 'remote-user',
}

const identities = [
  { value: 'remote-user', hint: 'Remote-User, Remote-Email, Remote-Groups' },
  { value: 'x-forwarded-user', hint: 'X-Forwarded-User, X-Forwarded-Email, X-Forwarded-Groups' },
  { value: 'x-auth-request', hint: 'X-Auth-Request-User, -Email, -Groups' },
  { value: 'none', hint: 'it asks for its own password as before' },
]

/** `gatelodge init`: writes a file for one application, and says what comes next. A file that is there stays as it is. */
export async function init(options: InitOptions, terminal: Terminal = process): Promise<number> {
  if (options.add) return (await import('./init-add.js')).addSite(options, terminal)
  const { config: file } = options
  const answers = await answersFor(options, terminal)
  if (typeof answers === 'number') return answers
  const [wrong] = [answers.upstream, answers.url, answers.portal]
    .map(faultOfAddress)
    .filter((fault) => fault !== undefined)
  if (wrong !== undefined) return complain(terminal, wrongUse, wrong)
  const { listen = proposedListen(answers) } = options
  const text = fileFor(answers, listen)
  try {
    await writeFile(file, text, { flag: 'wx' })
  } catch (fault) {
    const { code, message } = fault as NodeJS.ErrnoException
    if (code !== 'EEXIST') return complain(terminal, failed, `${file} could not be written: ${message}`)
    return complain(terminal, wrongUse, `${file} is there already and stays as it is: name another with --config.`)
  }
  const keyFile = join(dirname(file), KEY_FILE)
  const isNewKey = !existsSync(keyFile)
  let kid: string
  try {
    kid = keysFromFileOrNew(keyFile).kid
  } catch (fault) {
    await rm(file)
    return complain(terminal, failed, `${(fault as Error).message} Nothing was written.`)
  }
  let problems = ''
  const write = (said: string) => {
    problems += said
  }
  if ((await check({ config: file }, { env: {}, stdout: { write: () => {} }, stderr: { write } })) !== 0) {
    await rm(file)
    if (isNewKey) await rm(keyFile, { force: true })
    return complain(terminal, wrongUse, `${problems}Nothing was written.`)
  }
  const keyWords = isNewKey
    ? `Made the key ${kid} in ${keyFile}, for this user alone. It opens the secrets in the store, and backups: keep a copy\n` +
      'of it, not beside them, and out of version control (a line in .gitignore).'
    : `The key ${kid} in ${keyFile} was there already and stays.`
  say(
    terminal,
    `Wrote ${file}:\n\n${text.replace(/^(?=.)/gm, '  ')}\n${keyWords}\n\n${nextSteps(answers, listen, file)}`,
  )
  return done
}

/** @returns an exit code where somebody gave up, or nobody is there to be asked */
async function answersFor(options: InitOptions, terminal: Terminal): Promise<Answers | number> {
  const { upstream, url, identity, portal } = options
  if (options.yes || (upstream !== undefined && url !== undefined)) {
    const known = { ...proposed, ...given({ upstream, url, identity }) }
    return { ...known, further: [], portal: portal ?? proposedPortal(known.url) }
  }
  if (terminal.stdin.isTTY !== true) {
    const missing = [...(upstream === undefined ? ['--upstream'] : []), ...(url === undefined ? ['--url'] : [])]
    return complain(terminal, wrongUse, `Nobody is here to be asked: give ${missing.join(' and ')}, or --yes.`)
  }
  const { group, isCancel, select, text } = await import('@clack/prompts')
  const streams = { input: terminal.stdin, output: terminal.stdout }
  const validate = (said: string | undefined) => (said === undefined || said === '' ? undefined : faultOfAddress(said))
  const address = (message: string, initial: string) =>
    text({ message, placeholder: initial, defaultValue: initial, validate, ...streams })
  /** @returns an answer of somebody who gave up in place of the list */
  const askFurther = async (first: string) => {
    const further: Application[] = []
    for (;;) {
      const upstream = await text({
        message: 'Where is the next application, on another host? Enter: there is none.',
        defaultValue: '',
        validate,
        ...streams,
      })
      if (isCancel(upstream)) return upstream
      if (upstream === '') return further
      const hosts = [first, ...further.map(({ url }) => url)].map(hostOf)
      const url = await text({
        message: 'What do people type to reach it?',
        validate: (said = '') =>
          !isAddress(said)
            ? 'An address, as in https://wiki.example.org'
            : hosts.includes(hostOf(said))
              ? `${hostOf(said)} is the host of an application already`
              : undefined,
        ...streams,
      })
      if (isCancel(url)) return url
      further.push({ upstream, url })
    }
  }
  let gaveUp = false
  const answers = await group(
    {
      upstream: async () => upstream ?? address('Where is the application?', proposed.upstream),
      url: async () => url ?? address('What do people type to reach it?', proposed.url),
      further: ({ results }) => askFurther(results.url ?? proposed.url),
      portal: async ({ results }) => {
        const initial = proposedPortal(results.url ?? proposed.url)
        const isSeveral = Array.isArray(results.further) && results.further.length > 0
        // Where somebody tries it out there is one host.
        if (portal !== undefined || (initial === results.url && !isSeveral)) return portal ?? initial
        return address('Where do people sign in? A host of its own, without an application, is best.', initial)
      },
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

/**
 * A host of its own beside the application's: scripts of an application have the rights of every page on its host. None where
 * there is no other name to propose: for one machine, an address, or a domain without a part before it.
 */
function proposedPortal(url: string): string {
  if (!isAddress(url)) return url
  const { protocol, hostname, port } = new URL(url)
  const [first, ...domain] = hostname.split('.')
  if (protocol !== 'https:' || isIP(hostname) !== 0 || domain.length < 2 || first === 'login') return url
  return `https://login.${domain.join('.')}${port === '' ? '' : `:${port}`}`
}

function hostOf(url: string): string {
  return new URL(url).hostname
}

/** Beside the data directory, and not in it: whoever copies that has no key with it. */
const KEY_FILE = 'data.key'

/** Where what has the certificate finds it; without one, where people do. */
function proposedListen({ url }: Answers): string {
  const { protocol, port } = new URL(url)
  return protocol === 'https:' ? '127.0.0.1:8080' : `127.0.0.1:${port || '80'}`
}

/** At most 15 lines, with what is likely to be changed first. */
function fileFor({ upstream, url, further, portal, identity }: Answers, listen: string): string {
  const { protocol, hostname } = new URL(url)
  const isBehindTls = protocol === 'https:'
  const isApart = new URL(portal).hostname !== hostname || further.length > 0
  const lines = [
    `listen: ${scalar(listen)}`,
    `publicUrl: ${scalar(new URL(portal).origin)}${isApart ? '  # where people sign in, for this and further applications' : ''}`,
    ...(isBehindTls ? ['trustedProxies: [127.0.0.1]  # what has the certificate, and says who the client is'] : []),
    'sites:',
    ...(isBehindTls || isApart ? [`  - host: ${scalar(hostname)}`] : ['  - path: /']),
    `    upstream: ${scalar(new URL(upstream).origin)}`,
    `    identity: ${scalar(identity)}`,
    '    rules:  # the first that fits; without one: signed-in',
    '      - { path: /admin/**, access: second-factor }',
    ...further.flatMap((site) => [
      `  - host: ${scalar(hostOf(site.url))}`,
      `    upstream: ${scalar(new URL(site.upstream).origin)}`,
      `    identity: ${scalar(identity)}`,
    ]),
    'secondFactor:',
    '  required: everyone  # or when-enabled: asked only of those who set one up',
    '  methods:',
    '    - { use: totp }  # an authenticator app',
    'store: { use: embedded, path: ./data }',
    `secrets: { key: "\${file:./${KEY_FILE}}" }  # opens what is sealed in the store: keep a copy, and not beside it`,
  ]
  return `${lines.join('\n')}\n`
}

function nextSteps({ url, further, portal, upstream }: Answers, listen: string, file: string): string {
  const where = file === 'gatelodge.yaml' ? '' : ` --config ${file}`
  const steps: readonly (readonly [string, string])[] = [
    [`gatelodge doctor${where}`, `is everything there, and does ${new URL(upstream).origin} answer?`],
    [`gatelodge start${where}`, `it prints a link that makes you the owner; then open ${new URL(url).origin}`],
    [`gatelodge setup-link${where}`, 'the same link, where it runs as a service'],
  ]
  const width = Math.max(...steps.map(([command]) => command.length))
  const list = steps.map(([command, why]) => `  ${command.padEnd(width)}  # ${why}`).join('\n')
  const named = [url, ...further.map((site) => site.url), portal].map((each) => new URL(each).host)
  const hosts = new Intl.ListFormat('en-GB').format(new Set(named))
  const tls = url.startsWith('https:')
    ? `\nLet what has the certificate for ${hosts} pass everything to ${listen}: docs/recipes has how.`
    : ''
  return `Next:\n${list}\n${tls}`.trimEnd()
}

function given(options: { readonly [name: string]: string | undefined }): Partial<Answers> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
