import { findRangeProblem } from '../access/client-address.js'
import { findPatternProblem } from '../access/path-pattern.js'
import { hostName as nameOfHost } from '../access/policy.js'
import { parseDuration, parseRate } from '../config/scalars.js'
import type { ListedToken, Tokens, TokenWish } from '../identity/tokens.js'
import { complain, done, failed, moment, say, type Terminal, table, wrongUse } from './terminal.js'
import { named, noSuchUser, type UserRooms } from './user.js'

/** The rooms that commands about app tokens work on. */
export interface TokenRooms extends Pick<UserRooms, 'directory' | 'accounts'> {
  readonly tokens: Tokens
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
  readonly json?: boolean
}

/** `tokens issue NAME`: the token on standard output, this once; what it is for on the other. */
export async function tokensIssue(
  rooms: TokenRooms,
  terminal: Terminal,
  username: string,
  options: IssueTokenOptions = {},
): Promise<number> {
  const wish = wishOf(options, rooms.now())
  if (typeof wish === 'string') return complain(terminal, wrongUse, wish)
  const found = await named(rooms, username)
  if (found === undefined) return noSuchUser(terminal, username)
  const account = found.account ?? (await rooms.accounts.open(found.user))
  const issued = await rooms.tokens.issue({ ...wish, accountId: account.id }, 'command-line')
  if (issued === undefined) return complain(terminal, failed, `${account.username} cannot have a token: not active.`)
  const { secret, token } = issued
  if (options.json) {
    const shown = summary({ ...token, status: 'active' }, account.username)
    say(terminal, JSON.stringify({ token: secret, ...shown }, undefined, 2))
    return done
  }
  say(terminal, secret)
  const until = token.expiresAt === undefined ? 'until it is revoked' : `until ${moment(token.expiresAt)}`
  const { stderr } = terminal
  stderr.write(`Token ${token.id} of ${account.username}, ${until}: ${scopeText(token)}.\n`)
  stderr.write('It is shown this once. To end it: gatelodge tokens revoke ' + `${token.id}\n`)
  for (const note of doubts(wish, rooms.config?.sites)) stderr.write(`Note: ${note}\n`)
  return done
}

/** `tokens list [NAME]`: those that are over among them. */
export async function tokensList(
  rooms: TokenRooms,
  terminal: Terminal,
  { name, json = false }: { name?: string; json?: boolean } = {},
): Promise<number> {
  const found = name === undefined ? undefined : await named(rooms, name)
  if (name !== undefined && found === undefined) return noSuchUser(terminal, name)
  const names = new Map<string, string>()
  const rows: ReturnType<typeof summary>[] = []
  for (const token of await rooms.tokens.list(found?.user.id)) {
    const { accountId } = token
    if (!names.has(accountId)) names.set(accountId, (await rooms.accounts.find(accountId))?.username ?? '')
    rows.push(summary(token, names.get(accountId) ?? ''))
  }
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
export async function tokensRevoke(rooms: Pick<TokenRooms, 'tokens'>, terminal: Terminal, id: string): Promise<number> {
  const revoked = await rooms.tokens.revoke(id, 'command-line')
  if (revoked === undefined) return complain(terminal, failed, `There is no token with the id "${id}".`)
  say(terminal, `Token ${revoked.id} (${revoked.name}) opens nothing any more.`)
  return done
}

/** What is wished for, or a sentence about what cannot be. */
function wishOf(options: IssueTokenOptions, now: number): Omit<TokenWish, 'accountId'> | string {
  const { name = 'command line', site, method, path, from, expires, rate, admin } = options
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
  const lifetime = expires === undefined || expires === 'never' ? undefined : parseDuration(expires)
  if (expires !== undefined && expires !== 'never' && lifetime === undefined) {
    return 'A lifetime is a whole number and a unit, as in 12h or 90d, or never.'
  }
  const limit = rate === undefined ? undefined : parseRate(rate)
  if (rate !== undefined && limit === undefined) return 'A rate is a number of requests and a unit, as in 60/m or 5/s.'
  return {
    name,
    admin: admin === true,
    scopes: {
      ...(sites && { sites: sites.filter((each) => each !== undefined) }),
      ...(methods && { methods }),
      ...(path && { paths: path }),
      ...(from && { networks: from }),
    },
    ...(lifetime && { expiresAt: now + lifetime * 1000 }),
    ...(limit && { rate: limit }),
  }
}

/** What was probably not meant. */
function doubts(
  { scopes }: Omit<TokenWish, 'accountId'>,
  sites: readonly { readonly host?: string | undefined }[] = [],
) {
  if (sites.length === 0 || sites.some(({ host }) => host === undefined)) return []
  const unknown = scopes?.sites?.filter((name) => sites.every(({ host }) => host !== name)) ?? []
  return unknown.map((name) => `no site of the configuration has the host ${name}.`)
}

function summary(token: ListedToken, username: string) {
  const { id, name, status, scopes, admin, rate, issuedAt, issuedBy, expiresAt, lastUsedAt, lastUsedFrom } = token
  return {
    id,
    username,
    name,
    status,
    ...scopes,
    admin,
    ...(rate && { rate: `${rate.requests}/${rate.seconds}s` }),
    issuedAt: moment(issuedAt),
    issuedBy,
    ...(expiresAt === undefined ? {} : { expiresAt: moment(expiresAt) }),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: moment(lastUsedAt), lastUsedFrom }),
  }
}

/** In words of one line. */
function scopeText(token: ReturnType<typeof summary> | ListedToken | Omit<ListedToken, 'status'>): string {
  const { sites, methods, paths, networks } = 'scopes' in token ? token.scopes : token
  const limits = [
    sites ?? (token.admin ? [] : ['every site']),
    methods ?? [],
    paths ?? [],
    networks === undefined ? [] : ['from', ...networks],
    token.admin ? ['management'] : [],
  ]
  return limits.flat().join(' ')
}
