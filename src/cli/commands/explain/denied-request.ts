import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { DeniedRequests, KeptDenial } from '../../../audit/denied-requests.js'
import { done, failed, wrongUse } from '../../../exit-codes.js'
import { complain, say, type Terminal } from '../../terminal.js'

/** What is asked for requests that somebody did send. */
export interface ExplainDeniedParts {
  readonly refusals: Pick<DeniedRequests, 'find'>
  /** The YAML file, as it is to be printed. */
  readonly file: string
}

/** `explain --request ID`: why a request was stopped that somebody did send. */
export async function explainDenied(
  services: ExplainDeniedParts,
  terminal: Terminal,
  id: string,
  { log, json = false }: { readonly log?: string; readonly json?: boolean },
): Promise<number> {
  if (!/^[\w-]{1,64}$/.test(id)) return complain(terminal, wrongUse, `"${id}" is not the number of a request.`)
  let stopped: KeptDenial | undefined
  try {
    stopped = log === undefined ? await services.refusals.find(id) : await findInLog(id, log, terminal.stdin)
  } catch (fault) {
    return complain(
      terminal,
      failed,
      `${log} cannot be read: ${fault instanceof Error ? fault.message : String(fault)}`,
    )
  }
  if (stopped === undefined) {
    const where = log === undefined ? 'what is kept of the last 30 days' : log
    const advice = log === undefined ? ' When very many were stopped, only the log has them all: --log FILE.' : ''
    return complain(terminal, failed, `No request ${id} was stopped, as far as ${where} says.${advice}`)
  }
  if (json) {
    say(terminal, JSON.stringify({ ...stopped, file: services.file }, undefined, 2))
    return done
  }
  const { outcome, reason, row, because, rule, line, method, site, address, username, time, enforced } = stopped
  const at = (number: number | undefined) => (number === undefined ? '' : ` (${services.file}:${number})`)
  say(terminal, `${id}: ${method} on ${site ?? 'a page of the gateway'} from ${address}, at ${time}`)
  say(terminal, `${outcome}: ${reason}`)
  if (row !== undefined) say(terminal, `  row ${row}: ${because}${at(line)}`)
  if (rule !== undefined)
    say(terminal, `  rule: ${rule.path} ${rule.access}${at(rule.line) || ' (where no rule fits)'}`)
  say(terminal, username === undefined ? 'by nobody who was signed in' : `by ${username}`)
  if (!enforced) say(terminal, 'NOT ENFORCED: the site was only observed, and the request passed')
  return done
}

/** The line of the gateway's log about this request. `-`: standard input. */
async function findInLog(id: string, log: string, stdin: Readable): Promise<KeptDenial | undefined> {
  const input = log === '-' ? stdin : createReadStream(log)
  const failure = new Promise<never>((_, reject) => input.once('error', reject))
  const search = async () => {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (!line.includes(id) || !line.startsWith('{')) continue
      const record = parsed(line)
      if (record?.['requestId'] === id && typeof record['outcome'] === 'string') return record as unknown as KeptDenial
    }
    return undefined
  }
  return Promise.race([search(), failure])
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
