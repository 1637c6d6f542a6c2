import { type CountryCode, getCountries, parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { z } from 'zod'
import { definePlugin, pluginReference, type SentSecondFactor } from '../../src/contracts.js'

/** Kinds of numbers as libphonenumber tells them apart; where mobiles look like fixed lines (US) it says so. */
const numberTypes = [
  'mobile',
  'fixed-line-or-mobile',
  'fixed-line',
  'voip',
  'personal-number',
  'pager',
  'uan',
  'voicemail',
  'toll-free',
  'shared-cost',
  'premium-rate',
] as const

const options = z.strictObject({
  /** Where text messages may go, by ISO 3166 code: of the number itself, because +1 is the Caribbean as well. */
  countries: z.array(z.enum(getCountries())).min(1),
  /** Others cost the sender more, or reach no phone. */
  numberTypes: z.array(z.enum(numberTypes)).min(1).default(['mobile', 'fixed-line-or-mobile']),
  transport: pluginReference('sms-transports'),
})

/** A code by text message, to numbers in the countries that are served. */
export default definePlugin({
  kind: 'second-factors',
  options,
  async create({ countries, numberTypes, transport: reference }, host): Promise<SentSecondFactor> {
    const transport = await host.load('sms-transports', reference)
    const served = new Set<CountryCode | undefined>(countries)
    const types = new Set<string | undefined>(numberTypes)
    return {
      label: 'Text message',
      sends: 'code',
      address({ mobile }) {
        const number = mobile === undefined ? undefined : parsePhoneNumberFromString(mobile)
        if (!number?.isValid() || !served.has(number.country)) return undefined
        return types.has(number.getType()?.toLowerCase().replaceAll('_', '-')) ? number.number : undefined
      },
      send: ({ to, text }) => transport.send({ to, text }),
    }
  },
})
