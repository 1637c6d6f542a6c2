import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { text } from 'node:stream/consumers'
import { isLoopback } from '../../config/scalars.js'
import type { Config } from '../../config/schema.js'
import { type DoctorFinding, ok, warn } from './finding.js'

const PATIENCE_MS = 5_000

/** How hosts are found and believed; the machine's own ways where left out. */
export interface Surroundings {
  /** Certificates of authorities, in PEM. */
  readonly ca?: Buffer
  readonly lookup?: LookupFunction
}

/**
 * With one sign-in for every host, whether browsers would get to each of them and back: by its name, by the scheme of
 * `publicUrl`, with a certificate that is accepted, on to the portal, and with a cookie that they keep. Where that fails they
 * see an error of their own in the middle of the way, or go round.
 */
export async function examinePortal(
  { publicUrl, signIn, sites, prefix }: Pick<Config, 'publicUrl' | 'signIn' | 'sites' | 'prefix'>,
  surroundings: Surroundings = {},
): Promise<DoctorFinding[]> {
  if (signIn.at !== 'portal') return []
  const { protocol, hostname, port } = new URL(publicUrl)
  const hosts = new Set([hostname, ...sites.flatMap(({ host }) => (host === undefined ? [] : [host]))])
  // While somebody tries it out nothing stands in front yet.
  const asked = [...hosts].filter((host) => !isLoopback(host))
  return Promise.all(
    asked.map(async (host) => {
      const origin = `${protocol}//${host}${port === '' ? '' : `:${port}`}`
      const portal = host === hostname ? undefined : `${new URL(publicUrl).origin}${prefix}/sign-in?`
      try {
        const fault =
          (await wayTo(`${origin}${prefix}/healthz`, surroundings)) ??
          (await wayOn(origin, prefix, portal, surroundings))
        if (fault !== undefined) return warn(`host ${host}`, `${origin} ${fault.says}`, fault.todo)
      } catch (fault) {
        const { says, todo } = wordsOf(fault as NodeJS.ErrnoException)
        return warn(`host ${host}`, `${origin} ${says}`, todo)
      }
      return ok(`host ${host}`, `the gateway answers at ${origin}`)
    }),
  )
}

interface Fault {
  readonly says: string
  readonly todo: string
}

const PASS_ALL = 'let what has the certificate pass all of this host to the gateway, Host included'

/** @returns why what answers there is not the gateway */
async function wayTo(address: string, surroundings: Surroundings): Promise<Fault | undefined> {
  const answer = await ask(address, surroundings)
  if (answer.statusCode !== 200) {
    return { says: `answers with ${answer.statusCode} where the gateway would say it is there`, todo: PASS_ALL }
  }
  const isOurs = answer.body.includes('"alive"') && /\bjson\b/.test(answer.headers['content-type'] ?? '')
  return isOurs ? undefined : { says: 'answers, but it is not the gateway that does', todo: PASS_ALL }
}

/**
 * Sets out as a browser does that has to sign in.
 * @param portal how addresses of the sign-in there begin; `undefined` at the portal itself
 */
async function wayOn(
  origin: string,
  prefix: string,
  portal: string | undefined,
  surroundings: Surroundings,
): Promise<Fault | undefined> {
  const { statusCode, headers } = await ask(`${origin}${prefix}/sign-in`, surroundings)
  // A rule about networks keeps this machine out, and not browsers: there is no more to be seen from here.
  if (statusCode === 403) return undefined
  if (portal !== undefined && headers.location?.startsWith(portal) !== true) {
    const instead = headers.location === undefined ? `answers with ${statusCode}` : `leads to ${headers.location}`
    return { says: `${instead}, and not to the portal: nobody would be brought back to it`, todo: PASS_ALL }
  }
  const written = headers['set-cookie']?.find((line) => /^(?:__Host-)?gatelodge-pending=/i.test(line))
  if (written === undefined) {
    const todo = 'let what stands in front hand on Set-Cookie as it comes'
    return { says: 'hands on no cookie of the gateway: browsers would go round', todo }
  }
  const refused = origin.startsWith('https:') ? refusalOf(written) : undefined
  if (refused === undefined) return undefined
  const todo =
    'let what stands in front change neither names nor attributes of cookies (in nginx: proxy_cookie_domain, proxy_cookie_path)'
  return { says: `sets a cookie that browsers would refuse: ${refused}`, todo }
}

/** RFC 6265bis, 4.1.3: what a cookie with `__Host-` must be. Over plain HTTP ours have no prefix, and nothing is asked of them. */
function refusalOf(written: string): string | undefined {
  const [pair = '', ...rest] = written.split(';')
  const attributes = new Map(
    rest.map((each) => {
      const [name = '', value = ''] = each.split('=')
      return [name.trim().toLowerCase(), value.trim()] as const
    }),
  )
  if (!pair.startsWith('__Host-')) return 'it has lost the start of its name, __Host-'
  if (!attributes.has('secure')) return 'it is not Secure'
  const domain = attributes.get('domain')
  if (domain !== undefined) return `it has Domain=${domain}`
  const path = attributes.get('path')
  return path === '/' ? undefined : `its Path is ${path ?? 'missing'} and not /`
}

async function ask(address: string, { ca, lookup }: Surroundings) {
  const url = new URL(address)
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      agent: false,
      signal: AbortSignal.timeout(PATIENCE_MS),
      headers: { accept: 'text/html, application/json' },
      ...(ca === undefined ? {} : { ca }),
      ...(lookup === undefined ? {} : { lookup }),
    })
    asked.once('response', resolve)
    asked.once('error', reject)
    asked.end()
  })
  return { statusCode: answer.statusCode, headers: answer.headers, body: await text(answer) }
}

function wordsOf({ code = '', name }: NodeJS.ErrnoException): Fault {
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) {
    const todo = 'give this host a certificate as well; for an authority of your own set NODE_EXTRA_CA_CERTS here'
    return { says: `has a certificate that is not accepted here: ${code}`, todo }
  }
  if (/SSL|TLS|EPROTO/.test(code)) {
    const says = 'does not speak TLS, and the portal does: browsers would refuse the cookies of this host'
    return { says, todo: 'give this host a certificate as well' }
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return { says: 'has a name that is not known here', todo: 'enter it in DNS, if browsers do not know it either' }
  }
  return { says: `is not reached from here: ${code || name}`, todo: 'see whether browsers reach it' }
}
