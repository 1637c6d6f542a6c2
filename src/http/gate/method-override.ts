import { methodOverrides } from '../web/header-names.js'
import type { Asked } from '../web/request-kind.js'

const none: readonly string[] = Object.freeze([])
const method = /^[A-Za-z][A-Za-z-]{0,31}$/

/**
 * The methods that headers say a request really has, in the place of its own: OData and others send `POST` with
 * `X-HTTP-Method-Override: MERGE`. An application that knows the header acts on one, one that does not on the other, so such a
 * request is judged as both and goes on unchanged: without the header, an update would become something new.
 * @returns in upper case, as frameworks compare them; `undefined` where it is unclear, or no method for applications
 */
export function overridesOf({ headers }: Pick<Asked, 'headers'>): readonly string[] | undefined {
  let found: string | undefined
  for (const name of methodOverrides) {
    const value = headers[name]
    if (value === undefined) continue
    const said = String(value).toUpperCase()
    if (!method.test(said) || said === 'TRACE' || said === 'CONNECT') return undefined
    if (found !== undefined && found !== said) return undefined
    found = said
  }
  return found === undefined ? none : [found]
}
