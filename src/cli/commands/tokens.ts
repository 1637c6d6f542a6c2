import { findRangeProblem } from '../../access/client-address.js'
import { hostName as nameOfHost } from '../../access/policy.js'
import { findPatternProblem } from '../../access/targets/path-pattern.js'
import { parseDuration, parseRate } from '../../config/scalars.js'
import { done, wrongUse } from '../../exit-codes.js'
import type { TokenScopes } from '../../identity/api-clients/app-tokens.js'
import { Refusal } from '../../operations/operation.js'
import { issueToken, listTokens, revokeToken, type TokenView } from '../../operations/tokens.js'
import { byCommand, complain, moment, refusedAt, say, type Terminal, table, type WithOperations } from '../terminal.js'

/** The rooms that commands about app tokens work on. */
export interface TokenRooms extends WithOperations {
  readonly now: () => number
  readonly config?: { readonly sites: readonly { readonly host?: string | undefined }[] }
}

/** As given on the command line. */
export interface IssueTokenOptions {
  readonly name?: string
  readonly site?: readonly string[]
  readonly method?: readonly string[]
  readonly path?: readonly string[]
  readonly from?: readonly string[]
  readonly expires?: string
  readonly rate?: string
  readonly admin?: boolean
  /** `owners`, `backup`. */
  readonly adminScope?: readonly string[]
  readonly json?: boolean
}

/** `tokens issue NAME`: the token on standard output, this once; what it is for on the other. */
export async function tokensIssue(
  services: TokenRooms,
  terminal: Terminal,
  username: string,
  options: IssueTokenOptions = {},
): Promise<number> {
  const wish = wishOf(options, services.now())
  if (typeof wish === 'string') return complain(terminal, wrongUse, wish)
  const issued = await services.desk.run(issueToken, { user: username, ...wish }, byCommand)
  if (issued instanceof Refusal) return refusedAt(terminal, issued)
  const { token: secret, ...token } = issued
  if (options.json) {
    say(terminal, JSON.stringify({ token: secret, ...summary(token) }, undefined, 2))
    return done
  }
  say(terminal, secret)
  const until = token.expiresAt === undefined ? 'until it is revoked' : `until ${moment(Date.parse(token.expiresAt))}`
  const { stderr } = terminal
  stderr.write(`Token ${token.id} of ${token.username}, ${until}: ${scopeText(token)}.\n`)
  stderr.write('It is shown this once. To end it: gatelodge tokens revoke ' + `${token.id}\n`)
  for (const note of doubts(wish, services.config?.sites)) stderr.write(`Note: ${note}\n`)
  return done
}

/** `tokens list [NAME]`: those that are over among them. */
export async function tokensList(
  services: TokenRooms,
  terminal: Terminal,
  { name, json = false }: { name?: string; json?: boolean } = {},
): Promise<number> {
  const found = await services.desk.run(listTokens, name === undefined ? {} : { user: name }, byCommand)
  if (found instanceof Refusal) return refusedAt(terminal, found)
  const rows = found.items.map(summary)
  if (json) say(terminal, JSON.stringify(rows, undefined, 2))
  else if (rows.length === 0) say(terminal, 'There are no app tokens: gatelodge tokens issue NAME')
  else {
    const cells = rows.map((row) => [
      row.id,
      row.username,
      row.name,
      row.status,
      row.expiresAt ?? 'never',
      row.lastUsedAt ?? 'never',
      scopeText(row),
    ])
    say(terminal, table([['ID', 'USERNAME', 'NAME', 'STATUS', 'EXPIRES', 'LAST USED', 'FOR'], ...cells]))
  }
  return done
}

/** `tokens revoke ID`: the next request with it is refused. */
export async function tokensRevoke({ desk }: WithOperations, terminal: Terminal, id: string): Promise<number> {
  const revoked = await desk.run(revokeToken, { id }, byCommand)
  if (revoked instanceof Refusal) return refusedAt(terminal, revoked)
  say(terminal, `Token ${revoked.id} (${revoked.name}) opens nothing any more.`)
  return done
}

/** As the operation takes it. */
interface Wish extends TokenScopes {
  readonly name: string
  readonly admin: boolean
  readonly adminScopes: readonly string[]
  readonly expiresAt?: string
  readonly rate?: { readonly requests: number; readonly seconds: number }
}

/** What is wished for, or a sentence about what cannot be. */
function wishOf(options: IssueTokenOptions, now: number): Wish | string {
  const { name = 'command line', site, method, path, from, expires, rate, admin, adminScope = [] } = options
  if (!/^[^\p{Cc}\p{Zl}\p{Zp}]{1,100}$/u.test(name)) return 'The name of a token is one line of 1 to 100 characters.'
  const sites = site?.map((each) => nameOfHost(each))
  if (sites?.includes(undefined)) return 'A site is a host name, as in crm.example.com.'
  const methods = method?.map((each) => each.toUpperCase())
  if (methods?.some((each) => !/^[A-Z][A-Z-]{0,30}$/.test(each))) return 'A method is a word, as in GET or POST.'
  for (const each of path ?? []) {
    const problem = findPatternProblem(each)
    if (problem !== undefined) return `The path "${each}" cannot be used: ${problem}.`
  }
  for (const each of from ?? []) {
    const problem = findRangeProblem(each)
    if (problem !== undefined) return `The network "${each}" cannot be used: ${problem}.`
  }
  const unknown = adminScope.find((each) => each !== 'owners' && each !== 'backup')
  if (unknown !== undefined) return `There is no scope "${unknown}" of administration: there are owners and backup.`
  if (adminScope.length > 0 && admin !== true) return '--admin-scope is for tokens with --admin.'
  const lifetime = expires === undefined || expires === 'never' ? undefined : parseDuration(expires)
  if (expires !== undefined && expires !== 'never' && lifetime === undefined) {
    return 'A lifetime is a whole number and a unit, as in 12h or 90d, or never.'
  }
  const limit = rate === undefined ? undefined : parseRate(rate)
  if (rate !== undefined && limit === undefined) return 'A rate is a number of requests and a unit, as in 60/m or 5/s.'
  return {
    name,
    admin: admin === true,
    adminScopes: adminScope,
    ...(sites && { sites: sites.filter((each) => each !== undefined) }),
    ...(methods && { methods }),
    ...(path && { paths: path }),
    ...(from && { networks: from }),
    ...(lifetime && { expiresAt: new Date(now + lifetime * 1000).toISOString() }),
    ...(limit && { rate: limit }),
  }
}

/** What was probably not meant. */
function doubts(wish: Wish, sites: readonly { readonly host?: string | undefined }[] = []) {
  if (sites.length === 0 || sites.some(({ host }) => host === undefined)) return []
  const unknown = wish.sites?.filter((name) => sites.every(({ host }) => host !== name)) ?? []
  return unknown.map((name) => `no site of the configuration has the host ${name}.`)
}

/** For a person's eyes: times to the second. */
function summary({ rate, issuedAt, expiresAt, lastUsedAt, ...plain }: TokenView) {
  return {
    ...plain,
    ...(rate && { rate: `${rate.requests}/${rate.seconds}s` }),
    issuedAt: moment(Date.parse(issuedAt)),
    ...(expiresAt === undefined ? {} : { expiresAt: moment(Date.parse(expiresAt)) }),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: moment(Date.parse(lastUsedAt)) }),
  }
}

/** In words of one line. */
function scopeText(
  token: Pick<TokenView, 'admin' | 'adminScopes' | 'sites' | 'methods' | 'paths' | 'networks'>,
): string {
  const { sites, methods, paths, networks } = token
  const limits = [
    sites ?? (token.admin ? [] : ['every site']),
    methods ?? [],
    paths ?? [],
    networks === undefined ? [] : ['from', ...networks],
    token.admin ? ['management', ...(token.adminScopes ?? []).map((scope) => `admin:${scope}`)] : [],
  ]
  return limits.flat().join(' ')
}
