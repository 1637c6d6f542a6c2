import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Readable } from 'node:stream'
import { domainToASCII } from 'node:url'
import { createTransport, type SendMailOptions } from 'nodemailer'
import parseAddresses from 'nodemailer/lib/addressparser'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { z } from 'zod'
import { definePlugin, type Mail, type MailTransport, TransportError } from '../../src/contracts.js'
import { urlFault, userinfoOf } from '../../src/plugin-kit.js'

/** One plain address: what would make a second recipient or a second header line is not one. */
const plainAddress = /^[^\s\x00-\x1f\x7f"(),:;<>@[\\\]]{1,64}@[^\s\x00-\x1f\x7f"(),:;<>@[\\\]]{1,253}$/

const sender = z.string().transform((text, context) => {
  // The parser drops what follows a line break without a word.
  const [found, ...more] = /[\x00-\x1f\x7f]/.test(text) ? [] : parseAddresses(text, { flatten: true })
  if (found !== undefined && more.length === 0 && plainAddress.test(found.address)) return found
  context.addIssue('must be one mail address, as in Sign-in <no-reply@example.com>')
  return z.NEVER
})

/** `smtp:` or `smtps:`, host, port and credentials; everything else has an option with a name. */
const serverUrl = z.string().transform((text, context) => {
  const url = urlFault(text) === undefined && URL.canParse(text) ? new URL(text) : undefined
  if (url && /^smtps?:$/.test(url.protocol) && url.hostname && !url.search && !url.hash && /^\/?$/.test(url.pathname)) {
    return {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      secure: url.protocol === 'smtps:',
      ...(url.port === '' ? {} : { port: Number(url.port) }),
      userinfo: userinfoOf(text),
    }
  }
  context.addIssue(
    `${urlFault(text) ?? 'must be smtp://host:port or smtps://host:port'}. Name and password stand in the keys username: and password:`,
  )
  return z.NEVER
})

const options = z
  .strictObject({
    url: serverUrl.optional(),
    host: z.string().min(1).optional(),
    port: z.int().min(1).max(65535).optional(),
    /** TLS from the first byte (port 465); otherwise STARTTLS. */
    secure: z.boolean().optional(),
    /** Whether a server without STARTTLS is refused. If not said: yes, unless the server is this machine. */
    requireTls: z.boolean().optional(),
    auth: z.strictObject({ user: z.string().min(1), pass: z.string().min(1) }).optional(),
    /** As they are, without percent-encoding: in place of those in the URL, and of `auth`. */
    username: z.string().min(1).optional(),
    password: z.string().min(1).optional(),
    from: sender,
    /** Keeps up to five connections open for the next mail. */
    pool: z.boolean().default(true),
    dkim: z
      .strictObject({ domainName: z.string().min(1), keySelector: z.string().min(1), privateKey: z.string().min(1) })
      .optional(),
    /** Certificates are always verified; `ca` (PEM) adds an authority of one's own. */
    tls: z.strictObject({ ca: z.string().min(1).optional(), servername: z.string().min(1).optional() }).optional(),
    /**
     * What this machine calls itself in EHLO (RFC 5321, 4.1.1.1): a name of its own in the DNS, or an address as in [192.0.2.1].
     * Left out: the machine's host name if it is a full one, and the domain of `from` otherwise.
     */
    name: z
      .string()
      .max(255)
      .regex(
        /^(?:[a-zA-Z0-9-]{1,63}(?:\.[a-zA-Z0-9-]{1,63})*|\[[0-9a-fA-F.:IPv]{2,50}\])$/,
        'must be a host name or an address in [ ]',
      )
      .optional(),
    /** For one mail from connecting to the server's last word. */
    timeoutSeconds: z.number().positive().max(120).default(10),
  })
  .refine(({ url, host }) => (url === undefined) !== (host === undefined), {
    message: 'takes either url or host',
    path: ['url'],
  })
  .superRefine(({ url, auth, username, password }, context) => {
    const { userinfo = {} } = url ?? {}
    const say = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if (auth !== undefined && Object.keys(userinfo).length > 0)
      say('auth', 'stands in url as well: take one of them out')
    for (const [name, value] of Object.entries({ username, password })) {
      if (value === undefined) continue
      if (auth !== undefined) say(name, 'stands in auth as well: take one of them out')
      if (userinfo[name as 'username' | 'password'] !== undefined)
        say(name, 'stands in url as well: take one of them out')
    }
    const has = {
      ...userinfo,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    }
    if (has.password !== undefined && has.username === undefined) say('password', 'needs username: beside it')
  })

/** Hands mail to an SMTP server (RFC 5321), encrypted and signed as the file says. */
export default definePlugin({
  kind: 'mail-transports',
  options,
  create(
    { url, from, dkim, tls, timeoutSeconds, pool, requireTls, username, password, name, ...named },
    host,
  ): MailTransport {
    const deadline = timeoutSeconds * 1000
    const { userinfo = {}, ...address } = url ?? {}
    const user = username ?? userinfo.username
    const auth = user === undefined ? named.auth : { user, pass: password ?? userinfo.password ?? '' }
    const server = {
      ...named,
      ...address,
      ...(auth === undefined ? {} : { auth }),
      name: name ?? ownName(from.address),
    }
    const encrypted = requireTls ?? !isThisMachine(server.host)
    const connecting = {
      ...server,
      requireTLS: encrypted,
      ignoreTLS: !encrypted && isThisMachine(server.host),
      tls: { ...tls, rejectUnauthorized: true },
      connectionTimeout: deadline / 2,
      greetingTimeout: deadline / 2,
      socketTimeout: deadline,
      dnsTimeout: deadline / 2,
    }
    const transport = createTransport({
      ...connecting,
      pool,
      // The pool's own second try comes without asking: the gateway decides that.
      maxRequeues: 0,
      idleTimeout: 60_000,
      disableFileAccess: true,
      disableUrlAccess: true,
      ...(dkim === undefined ? {} : { dkim }),
    })
    /** The bytes of each mail on its way: once a server has read of them it may have taken the mail. */
    const bytes = new WeakMap<AbortSignal, Readable>()
    transport.use('stream', ({ data, message }, done) => {
      const { signal } = data
      const open = message.createReadStream.bind(message)
      message.createReadStream = (how) => {
        const stream = open(how)
        if (signal) bytes.set(signal, stream)
        return stream
      }
      done()
    })
    return {
      async send(mail) {
        const signal = AbortSignal.timeout(deadline)
        try {
          if (needsUtf8(mail.to) || needsUtf8(from.address)) await checkUtf8(new SMTPConnection(connecting), signal)
          await transport.sendMail({ ...compose(mail, from), date: new Date(host.now()), signal })
        } catch (error) {
          throw explain(error, bytes.get(signal)?.readableDidRead === true)
        }
      },
      async check() {
        try {
          await transport.verify()
        } catch (error) {
          throw explain(error, false)
        }
      },
      async close() {
        transport.close()
      },
    }
  },
})

function compose(mail: Mail, from: { readonly name: string; readonly address: string }): SendMailOptions {
  if (!plainAddress.test(mail.to)) throw new TransportError('refused', 'This is not a mail address')
  return {
    from,
    to: { name: '', address: mail.to },
    envelope: { from: from.address, to: [mail.to] },
    messageId: `<${randomUUID()}@${from.address.split('@').at(-1)}>`,
    subject: mail.subject.replace(/[\x00-\x1f\x7f\u2028\u2029]+/g, ' '),
    text: mail.text,
    ...(mail.html === undefined ? {} : { html: mail.html }),
    // RFC 3834: nobody's holiday notice answers a sign-in code.
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
  }
}

/** A reply of the server is its last word: 4xx "not now", 5xx "never". Without one, what was sent decides. */
function explain(error: unknown, bytesWereSent: boolean): TransportError {
  if (error instanceof TransportError) return error
  const { code = '', responseCode = 0, originalCode = '' } = Object(error)
  if (responseCode >= 500) return new TransportError('refused', `The mail server answered ${Number(responseCode)}`)
  if (responseCode >= 400) return new TransportError('unavailable', `The mail server answered ${Number(responseCode)}`)
  if (bytesWereSent) return new TransportError('unknown', `The mail server did not confirm: ${code}`)
  if (
    /^(EAUTH|ENOAUTH|ETLS|EENVELOPE|EMESSAGE|ECONFIG)$/.test(code) ||
    /CERT|SELF_SIGNED|UNABLE_TO/.test(originalCode)
  ) {
    return new TransportError('refused', `The mail server and its settings do not fit: ${originalCode || code}`)
  }
  return new TransportError('unavailable', `The mail server cannot be reached: ${originalCode || code}`)
}

/** Whether the part before the @ has letters beyond ASCII. The domain can be written in ASCII, this cannot. */
function needsUtf8(address: string): boolean {
  return /[^\x00-\x7f]/.test(address.slice(0, address.lastIndexOf('@')))
}

/**
 * Asks the server whether it takes such an address (RFC 6531). Sent without asking, it arrives nowhere or at somebody else,
 * and a server that takes the bytes lets it look as if it had been sent.
 */
async function checkUtf8(connection: SMTPConnection, signal: AbortSignal): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      connection.once('error', reject)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      connection.connect((error) => (error === undefined || error === null ? resolve() : reject(error)))
    })
    const said: unknown = Reflect.get(connection, '_supportedExtensions')
    if (Array.isArray(said) && said.includes('SMTPUTF8')) return
  } finally {
    connection.close()
  }
  throw new TransportError('refused', 'The mail server does not take addresses with letters beyond ASCII (SMTPUTF8)')
}

/** A server that looks the name up finds the machine, or at least the domain the mail comes from. */
function ownName(from: string): string {
  const machine = hostname()
  return /^[\w-]+(\.[\w-]+)+$/.test(machine) ? machine : domainToASCII(from.slice(from.lastIndexOf('@') + 1))
}

function isThisMachine(host: string | undefined): boolean {
  return host !== undefined && /^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host)
}
