import { z } from 'zod'
import type { User } from '../../contracts.js'
import { type Account, awaitingOf, roles } from '../../identity/accounts/account.js'

/** How a user is named: the username, or the id that never changes. */
export const userName = z.string().min(1).max(256).describe('The username, or the id.')

export const role = z.enum(roles as ['owner', 'support', 'user', 'api'])

const exemptionView = z.object({
  reason: z.string(),
  sites: z.array(z.string()).optional(),
  networks: z.array(z.string()).optional(),
  until: z.iso.datetime().optional(),
})

/** A user as lists show them. Never anything secret. */
export const userView = z.object({
  username: z.string(),
  displayName: z.string().optional(),
  id: z.string(),
  role,
  status: z.enum(['active', 'deactivated', 'new']),
  email: z.string().optional(),
  mobile: z.string().optional(),
  groups: z.array(z.string()),
  secondFactors: z.array(z.string()).describe('Methods that were set up, as YAML calls them.'),
  awaiting: z
    .string()
    .optional()
    .describe('A method that was set up and waits for an owner: it counts for nothing yet.'),
  required: z.boolean().describe('A second factor is required of this user, whatever the installation asks.'),
  exemption: exemptionView.optional(),
  addresses: z.array(z.string()).optional().describe('The only networks the user may come from.'),
  methodsOff: z.array(z.string()).describe('Methods switched off for this user.'),
  invited: z.boolean().describe('Was added without a password and has not come in yet: only a link lets them in.'),
})

export type UserView = z.output<typeof userView>

/** @param account left out for somebody who never signed in here */
export function viewOf(
  { id, username, displayName, email, mobile, groups }: User,
  account: Account | undefined,
): UserView {
  const { exemption, addresses } = account ?? {}
  const awaiting = account && awaitingOf(account)?.method
  return {
    username,
    ...(displayName === undefined ? {} : { displayName }),
    id,
    role: account?.role ?? 'user',
    status: account?.status ?? 'active',
    ...(email === undefined ? {} : { email }),
    ...(mobile === undefined ? {} : { mobile }),
    groups: [...groups],
    secondFactors: account?.enrolled.map(({ method }) => method) ?? [],
    ...(awaiting === undefined ? {} : { awaiting }),
    required: account?.required ?? false,
    ...(exemption === undefined ? {} : { exemption: exemptionOf(exemption) }),
    ...(addresses === undefined ? {} : { addresses: [...addresses] }),
    methodsOff: [...(account?.methodsOff ?? [])],
    invited: account?.isInvited === true,
  }
}

function exemptionOf({ reason, sites, networks, until }: NonNullable<Account['exemption']>) {
  return {
    reason,
    ...(sites === undefined ? {} : { sites: [...sites] }),
    ...(networks === undefined ? {} : { networks: [...networks] }),
    ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
  }
}
