import { z } from 'zod'
import { findRangeProblem } from '../access/client-address.js'

/** A range of addresses in YAML, as it was written: what is accepted has one reading only. */
export function addressRange() {
  return z
    .string()
    .transform((value, context): string => {
      const message = findRangeProblem(value)
      if (message === undefined) return value
      context.issues.push({ code: 'custom', message, input: value })
      return z.NEVER
    })
    .meta({ accepts: 'an address or CIDR range, as in 203.0.113.7, 10.0.0.0/8 or "fd00::/8"' })
}
