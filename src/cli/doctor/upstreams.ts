import { readFileSync } from 'node:fs'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Config } from '../../config/schema.js'
import { sentenceOf } from '../../runtime/error-text.js'
import { type DoctorFinding, fail, ok, warn } from './finding.js'

const patienceMs = 5_000

/** Further apart than this, and codes of authenticator apps begin to fail. */
const clockSkewMs = 30_000

const soonDays = 21
const dayMs = 24 * 60 * 60 * 1000

/** Whether an application answers, its certificate holds for a while, and its clock agrees with ours. */
export async function examineUpstream(site: Config['sites'][number], now: number): Promise<DoctorFinding[]> {
  // A site for forward-auth alone has none.
  const { upstream, upstreamTls } = site
  if (upstream === undefined) return []
  const what = `upstream ${upstream}`
  try {
    const { answer, validTo } = await ask(upstream, upstreamTls)
    const findings: DoctorFinding[] = []
    if (validTo !== undefined && validTo - now < soonDays * dayMs) {
      const days = Math.floor((validTo - now) / dayMs)
      findings.push(warn(what, `its certificate ends in ${days} days`, 'have it renewed'))
    }
    const skew = clockOf(answer, now) - now
    if (Math.abs(skew) > clockSkewMs) {
      const says = `its clock is ${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'ahead of' : 'behind'} ours`
      findings.push(warn(what, says, 'set the clock of this machine by NTP: codes of authenticator apps go by it'))
    }
    return findings.length > 0 ? findings : [ok(what, `answers with ${answer.statusCode}`)]
  } catch (fault) {
    const code = (fault as NodeJS.ErrnoException).code ?? ''
    const isTls = /CERT|SELF_SIGNED|UNABLE_TO|TLS|SSL/.test(code)
    const todo = isTls
      ? 'give the authority as upstreamTls.ca, or the name on the certificate as upstreamTls.serverName'
      : 'start the application, or correct its address'
    return [
      fail(
        what,
        `${isTls ? 'its certificate is not accepted' : 'does not answer'}: ${code || sentenceOf(fault)}`,
        todo,
      ),
    ]
  }
}

/** An application that says no time agrees with ours. */
function clockOf({ headers }: IncomingMessage, now: number): number {
  const said = Date.parse(headers.date ?? '')
  return Number.isNaN(said) ? now : said
}

function ask(
  upstream: string,
  { ca, serverName }: Config['sites'][number]['upstreamTls'],
): Promise<{ answer: IncomingMessage; validTo: number | undefined }> {
  const url = new URL(upstream)
  const isTls = url.protocol === 'https:'
  const name = serverName ?? url.hostname.replace(/^\[|\]$/g, '')
  const tls = isTls
    ? { servername: isIP(name) === 0 ? name : '', ...(ca === undefined ? {} : { ca: readFileSync(ca) }) }
    : {}
  return new Promise((resolve, reject) => {
    const asked = (isTls ? requestHttps : requestHttp)(url, {
      method: 'HEAD',
      agent: false,
      signal: AbortSignal.timeout(patienceMs),
      ...tls,
    })
    asked.once('error', reject)
    asked.once('response', (answer) => {
      const until = isTls ? Date.parse((answer.socket as TLSSocket).getPeerCertificate().valid_to) : Number.NaN
      answer.resume()
      resolve({ answer, validTo: Number.isNaN(until) ? undefined : until })
    })
    asked.end()
  })
}
