import type { FactorMessage } from '../contracts.js'
import { TemplateError, TemplateFolder } from '../templates.js'
import { browserName } from './browser-name.js'
import { inPlainLetters, isOneMessage, septets } from './gsm7.js'
import type { CommonValues, MailName, Mails, TextMessageName, TextMessages } from './mails.js'
import { channelOf } from './mask.js'
import { sampleMails, sampleTextMessages } from './samples.js'
import { type Asker, codeLifetimeSeconds, type SecretToSend } from './sending.js'

/** What a mail is about, beside its own values. */
export interface MessageCircumstances {
  readonly username: string
  /** Path under the prefix of a link that ends the account's sessions. */
  readonly notMe?: string
  /** Named in mails that tell what happened: with the time, browser and address. */
  readonly client?: Asker
}

/** One mail in words. */
export interface MailWords {
  readonly subject: string
  readonly text: string
  readonly html: string
}

export interface WordingSettings {
  /** What users know the service as. */
  readonly service: string
  /** An origin. Links in mail begin here, whatever `Host` a request came with. */
  readonly publicUrl: string
  /** Of the gateway's own pages, as in `/.gatelodge`. */
  readonly prefix: string
  /** The operator's directory; its `mail/` and `sms/` mirror ours. */
  readonly templates?: string | undefined
}

/** Puts what is said to people into words, from the templates. */
export class Wording {
  readonly #texts: TemplateFolder
  readonly #pages: TemplateFolder
  readonly #textMessages: TemplateFolder
  readonly #settings: WordingSettings
  readonly #public: URL
  readonly #now: () => number

  /** @throws TemplateError for a template that cannot be used, so that the gateway does not start with it */
  constructor({ settings, now }: { settings: WordingSettings; now: () => number }) {
    this.#settings = settings
    this.#public = new URL(settings.publicUrl)
    this.#now = now
    const plain = { ending: '.txt.eta', harmless: onOneLine, keepsLines: true }
    this.#texts = new TemplateFolder({ ...plain, folder: 'mail' }, settings.templates)
    this.#pages = new TemplateFolder({ folder: 'mail', ending: '.html.eta' }, settings.templates)
    this.#textMessages = new TemplateFolder({ ...plain, folder: 'sms' }, settings.templates)
    if (settings.templates !== undefined) this.#tryAll()
  }

  /** An address of ours as it stands in messages. @param path under the prefix, with its leading slash */
  link(path: string): string {
    return this.#public.origin + this.#settings.prefix + path
  }

  mail<Name extends MailName>(name: Name, values: Mails[Name], about: MessageCircumstances): MailWords {
    const all = { ...values, ...this.#common(about) }
    const [first = '', ...rest] = this.#texts.fill(name, all).split('\n')
    const subject = /^Subject: +(\S.*)$/.exec(first)?.[1]
    if (subject === undefined) throw new TemplateError(`The first line of mail/${name}.txt.eta must be "Subject: ..."`)
    const html = this.#pages.fill(name, { ...all, subject })
    return { subject: subject.trim(), text: tidy(rest.join('\n')), html }
  }

  /** A code or link, worded for where it goes. */
  secret({ user, code = '', path, purpose, host }: SecretToSend, to: string): FactorMessage {
    const link = path === undefined ? undefined : this.link(path)
    if (channelOf(to) === 'email') {
      const minutes = codeLifetimeSeconds.email / 60
      if (link !== undefined) return { to, ...this.mail('magic-link', { link, code, minutes }, user) }
      return { to, ...this.mail(purpose === 'enrolment' ? 'enrolment-code' : 'sign-in-code', { code, minutes }, user) }
    }
    const subject = this.#settings.service
    if (link !== undefined) return { to, subject, text: this.text('link', { link }) }
    const values = { code, host: host ?? this.#public.hostname }
    return { to, subject, text: this.text(purpose === 'enrolment' ? 'enrolment-code' : 'code', values) }
  }

  /** As one message of 160 characters where that is possible: with plain letters, then with the service's name cut short. */
  text<Name extends TextMessageName>(name: Name, values: TextMessages[Name]): string {
    const plain = inPlainLetters(this.#settings.service).trim() || this.#public.hostname
    const names = [this.#settings.service, plain, plain.slice(0, 24).trim(), plain.slice(0, 11).trim()]
    const versions = names.map((service) => tidy(this.#textMessages.fill(name, { ...values, service })).trimEnd())
    const short = versions.filter(isOneMessage)
    return short.find((text) => septets(text) !== undefined) ?? short[0] ?? versions[0] ?? ''
  }

  /** What compiles can still reach for what is not there. */
  #tryAll(): void {
    const client = { address: '192.0.2.1', network: '192.0.2.1', userAgent: '', requestId: '' }
    const names = Object.keys(sampleMails) as MailName[]
    for (const name of names) this.mail(name, sampleMails[name], { username: 'ada', notMe: '/not-me', client })
    const texts = Object.keys(sampleTextMessages) as TextMessageName[]
    for (const name of texts) this.text(name, sampleTextMessages[name])
  }

  #common({ username, notMe, client }: MessageCircumstances): CommonValues {
    const clock = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' })
    return {
      service: this.#settings.service,
      publicUrl: this.#public.origin,
      username,
      notMe: notMe === undefined ? '' : this.link(notMe),
      when: `${clock.format(this.#now())} UTC`,
      where: client === undefined ? '' : `${browserName(client.userAgent)}, ${client.address}`,
    }
  }
}

/** A value may not begin a line of its own, or bend the direction of what follows. */
function onOneLine(value: unknown): string {
  return String(value).replace(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+/g, ' ')
}

function tidy(text: string): string {
  return `${text.replace(/\n{3,}/g, '\n\n').trim()}\n`
}
