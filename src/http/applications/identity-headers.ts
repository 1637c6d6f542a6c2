import { HeaderTemplate, type TemplateValues } from '../../access/header-template.js'

/** Who is signed in, as far as applications are told. */
export interface UpstreamUser {
  readonly id: string
  readonly username: string
  readonly email?: string
  readonly mobile?: string
  readonly groups: readonly string[]
}

/** The conventions of other gateways: moving from one of them changes nothing in the application. */
export const identityPresets = {
  none: {},
  'remote-user': {
    'Remote-User': '{username}',
    'Remote-Email': '{email}',
    'Remote-Groups': '{groups}',
    'Remote-Name': '{username}',
  },
  'x-forwarded-user': {
    'X-Forwarded-User': '{username}',
    'X-Forwarded-Email': '{email}',
    'X-Forwarded-Groups': '{groups}',
    'X-Forwarded-Preferred-Username': '{username}',
  },
  'x-auth-request': {
    'X-Auth-Request-User': '{username}',
    'X-Auth-Request-Email': '{email}',
    'X-Auth-Request-Groups': '{groups}',
    'X-Auth-Request-Preferred-Username': '{username}',
  },
} as const satisfies Record<string, Readonly<Record<string, string>>>

export type IdentityPreset = keyof typeof identityPresets

/** In which headers an application reads who is signed in. */
export interface IdentitySettings {
  /** `none` unless told otherwise. */
  readonly preset?: IdentityPreset | undefined
  /** Templates by name of header; they come before the preset's. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** A signed statement (JWT), for applications that check instead of trusting the way a request came. */
  readonly assertion?: AssertionSettings | undefined
  /** For applications that know HTTP Basic and nothing else: `Authorization` is the gateway's there, and nobody else's. */
  readonly basic?: { readonly username: string; readonly password: string } | undefined
}

export interface AssertionSettings {
  readonly header: string
  /** Who it is for; the site's host, or the public address, where it is left out. */
  readonly audience?: string | undefined
  readonly lifetimeSeconds: number
}

export type IdentityChoice = IdentityPreset | IdentitySettings

/** The headers that say who is signed in, for one site. */
export class IdentityHeaders {
  /** All there are, whoever is signed in. */
  readonly names: readonly string[]
  readonly assertion: AssertionSettings | undefined
  readonly setsAuthorization: boolean
  readonly #templates: readonly (readonly [name: string, template: HeaderTemplate])[]
  readonly #basic: { readonly username: HeaderTemplate; readonly password: string } | undefined
  readonly #known = new WeakMap<UpstreamUser, readonly string[]>()

  constructor(choice: IdentityChoice = 'none') {
    const { preset = 'none', headers = {}, assertion, basic } = typeof choice === 'string' ? { preset: choice } : choice
    const byName = new Map<string, readonly [string, HeaderTemplate]>()
    for (const [name, text] of [...Object.entries(identityPresets[preset]), ...Object.entries(headers)]) {
      byName.set(name.toLowerCase(), [name, new HeaderTemplate(text)])
    }
    this.#templates = [...byName.values()]
    this.#basic = basic && { username: new HeaderTemplate(basic.username), password: basic.password }
    this.assertion = assertion
    this.setsAuthorization = basic !== undefined
    this.names = [
      ...this.#templates.map(([name]) => name),
      ...(assertion === undefined ? [] : [assertion.header]),
      ...(basic === undefined ? [] : ['Authorization']),
    ]
  }

  /** As `[name, value, name, value, ...]`; the assertion, which changes over time, comes from elsewhere. */
  of(user: UpstreamUser): readonly string[] {
    const known = this.#known.get(user)
    if (known !== undefined) return known
    const headers: string[] = []
    const values = encoded(user)
    for (const [name, template] of this.#templates) {
      const value = template.fill(values)
      if (value !== undefined) headers.push(name, value)
    }
    const credentials = this.#credentialsOf(user)
    if (credentials !== undefined) headers.push('Authorization', `Basic ${credentials}`)
    this.#known.set(user, headers)
    return headers
  }

  /**
   * RFC 7617, in UTF-8. The name ends at the first colon, so a user with one in it would be taken for somebody else: the
   * application is told nothing of such users, nor of those with control characters (section 2).
   */
  #credentialsOf({ groups, ...user }: UpstreamUser): string | undefined {
    if (this.#basic === undefined) return undefined
    const username = this.#basic.username.fill({ ...user, groups: groups.join(',') })
    if (username === undefined || /[:\p{Cc}]/u.test(username)) return undefined
    return Buffer.from(`${username}:${this.#basic.password}`).toString('base64')
  }
}

function encoded({ id, username, email, mobile, groups }: UpstreamUser): TemplateValues {
  return {
    id: encodeIdentity(id),
    username: encodeIdentity(username),
    email: email === undefined ? undefined : encodeIdentity(email),
    mobile: mobile === undefined ? undefined : encodeIdentity(mobile),
    groups: groups.map((group) => encodeIdentity(group).replaceAll(',', '%2C')).join(','),
  }
}

/**
 * A name or address as a header value that every application reads back the same: printable ASCII stays as it is, and
 * everything else, `%` itself, and a space at either end, is percent-encoded as UTF-8 (RFC 3986 2.1). Encoding `%` too is
 * what keeps the user `%C3%A9` from being taken for the user `é`; `decodeURIComponent` gives the name back.
 */
export function encodeIdentity(value: string): string {
  if (plain.test(value)) return value
  const text = value
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(/[^\x20-\x24\x26-\x7e]+/g, (part) => encodeURIComponent(part))
  let [start, end] = [0, text.length]
  while (text[start] === ' ') start += 1
  while (end > start && text[end - 1] === ' ') end -= 1
  return '%20'.repeat(start) + text.slice(start, end) + '%20'.repeat(text.length - end)
}

const plain = /^(?! )[\x20-\x24\x26-\x7e]*(?<! )$/
