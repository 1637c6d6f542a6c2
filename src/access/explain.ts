import { type DecideInput, type Decision, decide } from './decide.js'

/** One thing that stands between a request and the application. */
export interface Missing {
  readonly decision: Decision
  readonly what: string
}

/** Why a request meets what it meets. */
export interface Explanation {
  readonly decision: Decision
  /** In the order in which the user meets them. */
  readonly missing: readonly Missing[]
  /** What it is when all that is missing was given; `undefined` where that depends on who signs in. */
  readonly finally: Decision | undefined
}

/**
 * Explains by asking `decide` itself: for the request as it is, then again with what was missing, until nothing is.
 */
export function explain(input: DecideInput): Explanation {
  const decision = decide(input)
  const missing: Missing[] = []
  let known = input
  let last = decision
  // Sign-in, second factor or enrolment, and one reauthentication: more steps there are not.
  for (let step = 0; step < 5; step++) {
    const next = supply(last, known)
    if (next === undefined) break
    missing.push({ decision: last, what: next.what })
    if (next.input === undefined) return { decision, missing, finally: undefined }
    known = next.input
    last = decide(known)
  }
  return { decision, missing, finally: last }
}

interface Supplied {
  readonly what: string
  readonly input: DecideInput | undefined
}

/** The input as it is once the user did what the decision asks for; `undefined` where nothing can be done. */
function supply(decision: Decision, input: DecideInput): Supplied | undefined {
  const { account, session, now } = input
  switch (decision.outcome) {
    case 'sign-in':
      if (account === undefined) return { what: 'somebody who signs in', input: undefined }
      return { what: 'the password', input: { ...input, session: { ...session, passwordAt: now } } }
    case 'second-factor':
      return {
        what: decision.recoveryCodeOnly
          ? 'a recovery code from the owner'
          : decision.proof
            ? 'a passkey'
            : 'the second factor',
        input: { ...input, session: { ...session, ...given(decision, now) } },
      }
    case 'enrol':
      if (account === undefined) return undefined
      return {
        what: 'a second factor, set up first',
        input: {
          ...input,
          account: { ...account, enrolled: true },
          session: { ...session, ...given(decision, now) },
        },
      }
    case 'reauthenticate':
      return decision.needs === 'password'
        ? { what: 'the password again', input: { ...input, session: { ...session, passwordAt: now } } }
        : {
            what: decision.proof ? 'a passkey again' : 'the second factor again',
            input: { ...input, session: { ...session, ...given(decision, now) } },
          }
    case 'allow':
    case 'deny':
      return undefined
  }
}

/** What the session says after a second proof, of the kind that is asked for. */
function given({ proof }: Decision, now: number) {
  return { secondFactorAt: now, fellBack: false, ...(proof === undefined ? {} : { passkeyAt: now }) }
}

/** A place in the configuration, for people. */
type Place = (line: number) => string

/** The explanation in lines of text, as `gatelodge explain` prints it. */
export function explanationLines(
  { decision, missing, finally: last }: Explanation,
  place: Place = (line) => `line ${line}`,
): readonly string[] {
  const lines = [`${decision.outcome}: ${decision.reason}`, ...rowLines(decision, place)]
  for (const one of missing) {
    lines.push(`missing: ${one.what}`)
    if (one.decision !== decision) lines.push(...rowLines(one.decision, place))
  }
  if (last !== undefined && last !== decision)
    lines.push(`then ${last.outcome}: ${last.reason}`, ...rowLines(last, place))
  return lines
}

function rowLines({ row, because, line, rule }: Decision, place: Place): readonly string[] {
  const at = line === undefined ? '' : ` (${place(line)})`
  const ruleAt = rule.line === undefined ? 'where no rule fits' : place(rule.line)
  return [`  row ${row}: ${because}${at}`, `  rule: ${rule.path} ${rule.access} (${ruleAt})`]
}
