import type { UserView } from '../../../operations/users/view.js'
import { moment } from '../../terminal.js'

type Policy = Pick<UserView, 'required' | 'exemption' | 'addresses' | 'methodsOff'>

/** What is ordered for one user, in lines for a person; none where nothing was ordered. */
export function policyLines({ required, exemption, addresses, methodsOff }: Policy): readonly string[] {
  return [
    ...(required ? ['a second factor is required of this user'] : []),
    ...(exemption === undefined ? [] : [`exempt from the second factor: ${exemptionWords(exemption)}`]),
    ...(addresses === undefined ? [] : [`may come from ${addresses.join(', ')} only`]),
    ...(methodsOff.length === 0 ? [] : [`methods switched off: ${methodsOff.join(', ')}`]),
  ]
}

/** What lists have room for. */
export function policyWord({ required, exemption, addresses, methodsOff }: Policy): string {
  const words = [
    required && 'required',
    exemption !== undefined && 'exempt',
    addresses !== undefined && 'addresses',
    methodsOff.length > 0 && 'methods',
  ]
  return words.filter((word) => word !== false).join(',')
}

export function exemptionWords({ reason, sites, networks, until }: NonNullable<UserView['exemption']>): string {
  const where = [...(sites ?? []), ...(networks ?? [])].join(', ')
  return `${reason}${where === '' ? '' : ` (${where})`}${until === undefined ? '' : `, until ${moment(Date.parse(until))}`}`
}
