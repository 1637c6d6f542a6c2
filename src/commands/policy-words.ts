import type { Account, Exemption } from '../identity/accounts.js'
import { moment } from './terminal.js'

/** What is ordered for one account, as lists and scripts show it. */
export function policyOf(account: Account | undefined) {
  const { required = false, exemption, addresses, methodsOff = [] } = account ?? {}
  return {
    required,
    ...(exemption === undefined ? {} : { exemption: shownExemption(exemption) }),
    ...(addresses === undefined ? {} : { addresses }),
    methodsOff,
  }
}

/** The same in lines for a person; none where nothing was ordered. */
export function policyLines({ required, exemption, addresses, methodsOff = [] }: Account): readonly string[] {
  return [
    ...(required ? ['a second factor is required of this user'] : []),
    ...(exemption === undefined ? [] : [`exempt from the second factor: ${exemptionWords(exemption)}`]),
    ...(addresses === undefined ? [] : [`may come from ${addresses.join(', ')} only`]),
    ...(methodsOff.length === 0 ? [] : [`methods switched off: ${methodsOff.join(', ')}`]),
  ]
}

/** What lists have room for. */
export function policyWord({ required, exemption, addresses, methodsOff }: ReturnType<typeof policyOf>): string {
  const words = [
    required && 'required',
    exemption !== undefined && 'exempt',
    addresses !== undefined && 'addresses',
    methodsOff.length > 0 && 'methods',
  ]
  return words.filter((word) => word !== false).join(',')
}

/** With its end as scripts read it. */
export function shownExemption({ until, ...rest }: Exemption) {
  return { ...rest, ...(until === undefined ? {} : { until: new Date(until).toISOString() }) }
}

export function exemptionWords({ reason, sites, networks, until }: Exemption): string {
  const where = [...(sites ?? []), ...(networks ?? [])].join(', ')
  return `${reason}${where === '' ? '' : ` (${where})`}${until === undefined ? '' : `, until ${moment(until)}`}`
}
