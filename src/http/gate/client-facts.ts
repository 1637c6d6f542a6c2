import type { IncomingMessage } from 'node:http'
import { type Address, networkKey } from '../../access/client-address.js'
import type { ClientFacts } from '../../identity/store/client-facts.js'

/** Where a request came from, for budgets and audit. @param site host of the configured site that was asked, where it has one */
export function clientFacts(
  { headers }: Pick<IncomingMessage, 'headers'>,
  address: Address | undefined,
  requestId: string,
  site?: string,
): ClientFacts {
  return {
    address: address?.text ?? 'unreadable',
    network: networkKey(address),
    userAgent: headers['user-agent'] ?? '',
    requestId,
    ...(site === undefined ? {} : { site }),
  }
}
