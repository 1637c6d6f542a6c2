import type { DecideInput, SessionFacts } from '../../../access/decide.js'
import type { Explanation } from '../../../access/explain.js'
import type { Outside } from '../../../access/scope.js'
import type { User } from '../../../contracts.js'
import type { Account } from '../../../identity/accounts/account.js'
import type { ListedToken } from '../../../identity/api-clients/app-tokens.js'

/** What the gate would say, as `http/explainer.ts` gives it. */
export interface Explaining {
  explain(request: ImaginedRequest): Promise<Explained>
}

interface ImaginedRequest {
  readonly method: string
  readonly host: string
  readonly target: string
  readonly address: string | undefined
  readonly who?: {
    readonly user: User
    readonly account: Account
    readonly session?: SessionFacts
    readonly token?: Pick<ListedToken, 'scopes' | 'admin'>
  }
  readonly at: number
}

type Explained =
  | { readonly kind: 'refused'; readonly error: string; readonly status: number; readonly sentence: string }
  | { readonly kind: 'own' }
  | {
      readonly kind: 'judged'
      readonly site: {
        readonly host: string
        readonly path: string
        readonly line: number
        readonly enforced: boolean
      }
      readonly explanation: Explanation
      readonly way: readonly string[]
      readonly input: DecideInput
      readonly outside: readonly Outside[]
    }

/** What one token is worth for a request. */
export interface TokenLook extends Pick<ListedToken, 'id' | 'name' | 'status'> {
  /** The parts of the request that its scope does not reach. */
  readonly lacks: readonly Outside[]
}

/**
 * Explains the request with each of the tokens, and answers for the first that reaches it, or the first of all. One that is
 * over is nobody's.
 */
export async function explainWithTokens(
  explainer: Explaining,
  request: ImaginedRequest,
  tokens: readonly ListedToken[],
): Promise<{ readonly explained: Explained; readonly looks: readonly TokenLook[] }> {
  const { who, ...anybodys } = request
  let best: { readonly explained: Explained; readonly isGood: boolean } | undefined
  const looks: TokenLook[] = []
  for (const token of tokens) {
    const { id, name, status } = token
    const isOver = status !== 'active' || who === undefined
    const explained = await explainer.explain(isOver ? anybodys : { ...request, who: { ...who, token } })
    const lacks = explained.kind === 'judged' ? explained.outside : []
    looks.push({ id, name, status, lacks })
    const isGood = !isOver && lacks.length === 0
    if (best === undefined || (isGood && !best.isGood)) best = { explained, isGood }
  }
  return { explained: best?.explained ?? (await explainer.explain(request)), looks }
}

/** In a line, for people. */
export function tokenLine({ id, name, status, lacks }: TokenLook): string {
  const token = `token ${id} (${name})`
  if (status !== 'active') return `${token}: ${status === 'expired' ? 'has expired' : 'has ended'}, and opens nothing`
  return lacks.length === 0 ? `${token}: reaches this request` : `${token}: lacks this ${lacks.join(', this ')}`
}
