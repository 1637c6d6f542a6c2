import { z } from 'zod'
import { findRangeProblem } from '../access/client-address.js'
import { hostName } from '../access/policy.js'
import { findPatternProblem } from '../access/targets/path-pattern.js'
import { type AppToken, adminScopes as allAdminScopes, type ListedToken } from '../identity/api-clients/app-tokens.js'
import { withoutEmpty } from './fields.js'
import { defineOperation, Refusal, refuse } from './operation.js'
import { lacksScope } from './rights.js'
import { userName } from './users/view.js'

const rate = z
  .object({ requests: z.int().min(1), seconds: z.int().min(1) })
  .describe('At most so many in any such time.')

const scopes = {
  sites: z
    .array(z.string().refine((name) => hostName(name) !== undefined, 'A site is a host name, as in crm.example.com.'))
    .max(50)
    .optional(),
  methods: z
    .array(z.string().regex(/^[A-Z][A-Z-]{0,30}$/, 'A method is a word, as in GET or POST.'))
    .max(20)
    .optional(),
  paths: z.array(checked(findPatternProblem)).max(50).optional().describe('Patterns as rules have them.'),
  networks: z.array(checked(findRangeProblem)).max(50).optional().describe('Addresses and networks of clients.'),
}

const tokenView = z.object({
  id: z.string(),
  username: z.string(),
  name: z.string(),
  status: z.enum(['active', 'expired', 'ended']),
  sites: z.array(z.string()).optional(),
  methods: z.array(z.string()).optional(),
  paths: z.array(z.string()).optional(),
  networks: z.array(z.string()).optional(),
  admin: z.boolean().describe('Opens this API.'),
  adminScopes: z.array(z.enum(allAdminScopes)).optional().describe('What else it may do here.'),
  rate: rate.optional(),
  issuedAt: z.iso.datetime(),
  issuedBy: z.string(),
  expiresAt: z.iso.datetime().optional(),
  lastUsedAt: z.iso.datetime().optional(),
  lastUsedFrom: z.string().optional(),
})

export type TokenView = z.output<typeof tokenView>

export const listTokens = defineOperation({
  name: 'token.list',
  summary: 'application tokens, those that are over among them',
  may: 'owner',
  input: z.strictObject({ user: userName.optional() }),
  output: z.object({ items: z.array(tokenView) }),
  doors: { page: '/users/:user', api: 'GET /tokens', commandLine: 'tokens list' },
  async run(context) {
    const { services, input } = context
    const found = await services.tokens.list(input.user === undefined ? undefined : context.known.user.id)
    const names = new Map<string, string>()
    for (const { accountId } of found) {
      if (!names.has(accountId)) names.set(accountId, (await services.accounts.find(accountId))?.username ?? '')
    }
    return { items: found.map((token) => viewOf(token, names.get(token.accountId) ?? '')) }
  },
})

export const issueToken = defineOperation({
  name: 'token.issue',
  summary: 'an application token for one user, shown this once',
  may: 'owner',
  fresh: true,
  event: 'admin.token-issued',
  input: z.strictObject({
    user: userName,
    name: z
      .string()
      .regex(/^[^\p{Cc}\p{Zl}\p{Zp}]{1,100}$/u, 'The name of a token is one line of 1 to 100 characters.'),
    ...scopes,
    admin: z
      .boolean()
      .default(false)
      .describe('Opens this API: with it, a program does what owners do, but for what adminScopes name.'),
    adminScopes: z
      .array(z.enum(allAdminScopes))
      .max(2)
      .default([])
      .describe('owners: may make owners and change them. backup: may copy the store, with every secret in it.'),
    expiresAt: z.iso.datetime({ offset: true }).optional(),
    rate: rate.optional(),
  }),
  output: z.object({ token: z.string().describe('Shown this once.'), ...tokenView.shape }),
  doors: { page: '/users/:user/token', api: 'POST /users/{user}/tokens', commandLine: 'tokens issue' },
  async run({ services, input, target: { account }, by, write }) {
    const { name, admin, adminScopes, expiresAt, sites, methods, paths, networks, rate } = input
    if (expiresAt !== undefined && Date.parse(expiresAt) <= services.now())
      return refuse('That moment is over already.')
    if (adminScopes.length > 0 && !admin) return refuse('Only a token for administration has scopes of administration.')
    if (adminScopes.some((scope) => lacksScope(by, scope))) return new Refusal('token.scope')
    const limits = withoutEmpty({
      sites: sites?.map((site) => hostName(site) ?? site),
      methods,
      paths,
      networks,
    })
    const wish = {
      accountId: account.id,
      name,
      admin,
      adminScopes,
      scopes: limits,
      ...(rate && { rate }),
      ...(expiresAt === undefined ? {} : { expiresAt: Date.parse(expiresAt) }),
    }
    await write({ details: { token: name, admin, ...(adminScopes.length === 0 ? {} : { adminScopes }) } })
    const issued = await services.tokens.issue(wish, by.account?.username ?? by.door)
    if (issued === undefined) return refuse(`${account.username} cannot have a token: not active.`)
    return { token: issued.secret, ...viewOf({ ...issued.token, status: 'active' }, account.username) }
  },
})

export const revokeToken = defineOperation({
  name: 'token.revoke',
  summary: 'end a token: the next request with it is refused',
  may: 'owner',
  event: 'admin.token-revoked',
  consequence: (whom) =>
    `Every program that uses ${whom} is refused from its next request on. It cannot be undone: a new token has to be issued and put where this one was.`,
  input: z.strictObject({ id: z.string().min(1).max(64) }),
  output: z.object({ id: z.string(), name: z.string() }),
  doors: { page: '/users/:user', api: 'DELETE /tokens/{id}', commandLine: 'tokens revoke' },
  async run({ services, input: { id }, by, write }) {
    await write({ details: { token: id } })
    const revoked: AppToken | undefined = await services.tokens.revoke(id, by.account?.username ?? by.door)
    if (revoked === undefined) return refuse(`There is no token with the id "${id}".`)
    return { id: revoked.id, name: revoked.name }
  },
})

function viewOf(token: ListedToken, username: string): TokenView {
  const { id, name, status, admin, adminScopes, issuedAt, issuedBy, expiresAt, lastUsedAt, lastUsedFrom } = token
  const { sites, methods, paths, networks } = token.scopes
  return {
    id,
    username,
    name,
    status,
    ...(sites && { sites: [...sites] }),
    ...(methods && { methods: [...methods] }),
    ...(paths && { paths: [...paths] }),
    ...(networks && { networks: [...networks] }),
    admin,
    ...(adminScopes && { adminScopes: [...adminScopes] }),
    ...(token.rate && { rate: token.rate }),
    issuedAt: new Date(issuedAt).toISOString(),
    issuedBy,
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: new Date(lastUsedAt).toISOString() }),
    ...(lastUsedFrom === undefined ? {} : { lastUsedFrom }),
  }
}

function checked(problemOf: (text: string) => string | undefined) {
  return z
    .string()
    .max(256)
    .superRefine((text, context) => {
      const message = problemOf(text)
      if (message !== undefined) context.addIssue({ code: 'custom', message: `"${text}" cannot be used: ${message}.` })
    })
}
