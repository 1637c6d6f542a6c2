import type { IncomingHttpHeaders } from 'node:http'

/** Who the gateway says is here. The application has no users of its own and believes these headers. */
export interface Person {
  readonly name: string
  readonly email: string | undefined
  readonly groups: readonly string[]
}

/** `undefined` where nobody is signed in, as on a public path or when the application is opened past the gateway. */
export function personOf(headers: IncomingHttpHeaders): Person | undefined {
  const name = textOf(headers['remote-user'])
  if (!name) return undefined
  const groups = textOf(headers['remote-groups']) ?? ''
  return {
    name,
    email: textOf(headers['remote-email']),
    groups: groups
      .split(',')
      .map((each) => each.trim())
      .filter(Boolean),
  }
}

/** Node hands header bytes over as Latin-1; names outside ASCII arrive as UTF-8. */
function textOf(value: string | string[] | undefined): string | undefined {
  if (typeof value !== 'string') return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'))
  } catch {
    return value
  }
}
