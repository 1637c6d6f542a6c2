import { explanationLines } from '../../access/explain.js'
import type { ExplainRequest } from '../../operations/services.js'
import type { Explainer } from './explainer.js'

/** What the gate would make of a request, in the lines `gatelodge explain` prints. */
export async function explainLines(
  explainer: Explainer,
  { who, ...request }: ExplainRequest,
  at: number,
): Promise<readonly string[]> {
  const explained = await explainer.explain({ ...request, at, ...(who === undefined ? {} : { who: whoIs(who, at) }) })
  if (explained.kind === 'refused')
    return [`refused before any rule is asked: ${explained.status}: ${explained.sentence}`]
  if (explained.kind === 'own') return ['a page of the gateway itself, which no rule is asked about']
  const { site, explanation, way } = explained
  const lines = [
    ...explanationLines(explanation),
    `site: ${site.host}${site.path} (line ${site.line})`,
    ...way.map((step) => `way: ${step}`),
  ]
  return site.enforced
    ? lines
    : [...lines, 'not enforced: the site is only observed, so the request passes all the same']
}

function whoIs({ user, account, secondFactor }: NonNullable<ExplainRequest['who']>, at: number) {
  const session = { passwordAt: at, ...(secondFactor ? { secondFactorAt: at } : {}) }
  const unopened = { status: 'active', role: 'user' as const, required: false, enrolled: [] }
  return { user, account: account ?? unopened, session }
}
