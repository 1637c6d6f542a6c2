import { type Answer, type Extra, Visitor } from './visitor.js'

/** Kinds of things nobody else may read. */
export type SecretKind =
  | 'password'
  | 'code'
  | 'link'
  | 'cookie'
  | 'form token'
  | 'app key'
  | 'backup code'
  | 'recovery code'
  | 'number'
  | 'credential'

/** Every secret a test comes across, to be looked for where it must not be. */
export class Canaries {
  readonly #kinds = new Map<string, SecretKind>()

  add(kind: SecretKind, ...secrets: ReadonlyArray<string | undefined>): void {
    for (const secret of secrets) if (secret !== undefined && secret.length >= 6) this.#kinds.set(secret, kind)
  }

  count(kind: SecretKind): number {
    return [...this.#kinds.values()].filter((each) => each === kind).length
  }

  /** What of these kinds the text has in it, as it is or in a usual encoding, with some of the text around it. */
  find(text: string, kinds: readonly SecretKind[]): readonly string[] {
    return [...this.#kinds]
      .filter(([, kind]) => kinds.includes(kind))
      .flatMap(([secret, kind]) => {
        const at = spellings(secret)
          .map((spelling) => indexOf(text, spelling))
          .find((found) => found >= 0)
        return at === undefined ? [] : [`${kind} ${secret}: ${text.slice(Math.max(0, at - 160), at + 80)}`]
      })
  }
}

/** A few digits that are part of a longer number, as a time in milliseconds, are not the code. */
function indexOf(text: string, spelling: string): number {
  if (!/^\d+$/.test(spelling)) return text.indexOf(spelling)
  return text.search(new RegExp(`(?<!\\d)${spelling}(?!\\d)`))
}

function spellings(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  const others = [encodeURIComponent(secret), encodeURIComponent(secret).replaceAll('%20', '+')]
  // Short ones are found by chance in anything that looks like base 64.
  if (secret.length >= 12) others.push(bytes.toString('base64url'), bytes.toString('hex'))
  return [...new Set([secret, ...others])]
}

/** A visitor who notices every secret that is shown or typed, and keeps what pages and redirects said. */
export class ObservantVisitor extends Visitor {
  readonly #canaries: Canaries
  readonly #seen: Sights

  constructor(t: ConstructorParameters<typeof Visitor>[0], origin: string, canaries: Canaries, seen: Sights) {
    super(t, origin)
    this.#canaries = canaries
    this.#seen = seen
  }

  override async send(method: string, path: string, extra: Extra = {}): Promise<Answer> {
    const answer = await super.send(method, path, extra)
    const { text } = answer
    this.#canaries.add('cookie', ...[...this.cookies].filter(([name]) => name.startsWith('gatelodge')).flatMap(parts))
    for (const [, value] of text.matchAll(/name="token" value="([^"]+)"/g)) this.#canaries.add('form token', value)
    for (const [, value] of text.matchAll(/name="link" value="([^"]+)"/g)) this.#canaries.add('link', value)
    for (const [, value] of text.matchAll(/class="key"[^>]*>([\s\S]*?)<\/code>/g)) {
      this.#canaries.add('app key', value?.replace(/<[^>]*>|\s/g, ''))
    }
    for (const [, value] of text.matchAll(/<li><code>([^<]{12,40})<\/code>/g)) {
      this.#canaries.add('backup code', value, value?.replaceAll('-', ''))
    }
    this.#seen.pages.push(text)
    const { location } = answer.headers
    if (typeof location === 'string') this.#seen.locations.push(location)
    return answer
  }
}

/** What came back to the browsers. */
export interface Sights {
  readonly pages: string[]
  readonly locations: string[]
}

/** Of `<id>.<secret>` the second half is what must not be known. */
function parts([, value]: readonly [string, string]): readonly string[] {
  return [value, ...value.split('.').slice(1)]
}
