import type { FastifyRequest } from 'fastify'
import { mayComeFrom, rangesOf } from '../../access/address-list.js'
import type { Address } from '../../access/client-address.js'
import { Scope } from '../../access/scope.js'
import type { ApiClients } from '../../identity/api-clients/api-clients.js'
import { readAuthorization } from '../../identity/api-clients/credentials.js'
import { appTokenPrefix } from '../../identity/api-clients/token-text.js'
import type { ClientFacts } from '../../identity/store/client-facts.js'
import type { ApiParts } from './api.js'

interface Parts {
  readonly programs: Pick<ApiClients, 'find'>
  client(request: FastifyRequest): ClientFacts
  address(request: FastifyRequest): Address | undefined
}

/** Finds whose token opens the management API: by `Authorization` alone, within the token's own limits and rate. */
export function administrators({ programs, client, address }: Parts): ApiParts['find'] {
  return async (request) => {
    const { authorization } = request.headers
    const secret = authorization === undefined ? undefined : readAuthorization(authorization)?.secret
    // A password opens nothing here, not even that of an API account: so it is not judged, and costs neither hash nor guess.
    if (authorization === undefined || !secret?.startsWith(appTokenPrefix)) return undefined
    const program = await programs.find(authorization, { client: client(request), mayUsePassword: () => false })
    if (program?.token === undefined) return undefined
    const { token, account } = program
    const from = address(request)
    // Sites and paths say where else it opens something; methods and networks hold here as well.
    const { methods, networks } = token.scopes
    const { host } = request.headers
    const outside = new Scope({ methods, networks }).outside({ host, method: request.method, path: '/', address: from })
    if (!token.admin || outside !== undefined || !mayComeFrom(account.addresses && rangesOf(account.addresses), from))
      return 'denied'
    return { account, secret, adminScopes: token.adminScopes ?? [] }
  }
}
