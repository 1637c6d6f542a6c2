import type { AddressInfo } from 'node:net'
import PostalMime, { type Email } from 'postal-mime'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'

/** One mail as it arrived. */
export interface ArrivedMail {
  readonly envelope: { readonly from: string; readonly to: readonly string[] }
  readonly raw: string
  readonly email: Email
  readonly encrypted: boolean
}

/** Ends an SMTP command with this reply code. */
export function reply(code: number, message = 'said the test'): Error {
  return Object.assign(new Error(message), { responseCode: code })
}

/** A real SMTP server that keeps and parses what arrives; the options decide where it fails. */
export class MailServer {
  readonly arrived: ArrivedMail[] = []
  /** How often a message's bytes were received to the end, kept or not. */
  received = 0
  /** Decides over each message once all of it is there: an error refuses it, `silence` never answers. */
  verdict: (mail: ArrivedMail) => Error | 'silence' | 'drop' | undefined = () => undefined
  readonly #server: SMTPServer

  constructor(options: SMTPServerOptions = {}) {
    this.#server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      disableReverseLookup: true,
      closeTimeout: 100,
      ...options,
      onData: (stream, session, done) => {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', async () => {
          const raw = Buffer.concat(chunks)
          const { mailFrom, rcptTo } = session.envelope
          const mail = {
            envelope: { from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address) },
            raw: raw.toString('utf8'),
            email: await PostalMime.parse(raw),
            encrypted: session.secure,
          }
          this.received += 1
          const verdict = this.verdict(mail)
          if (verdict === 'silence') return
          if (verdict === 'drop') {
            for (const connection of this.#server.connections) connection._socket.destroy()
            return
          }
          if (verdict === undefined) this.arrived.push(mail)
          done(verdict)
        })
      },
    })
    // A client that goes away is not this server's trouble.
    this.#server.on('error', () => undefined)
  }

  static async start(options: SMTPServerOptions = {}): Promise<MailServer> {
    const server = new MailServer(options)
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(resolve))
  }
}
