import { z } from 'zod'
import { definePlugin, pluginReference, type SentSecondFactor } from '../../src/contracts.js'

const options = z.strictObject({
  /** What opening the link proves. Whoever reads the mail can open it, so it counts as both only where that is said. */
  countsAs: z.enum(['password', 'second-factor', 'both']).default('password'),
  /** Whether it may be asked for on the sign-in page, in place of the password. */
  signIn: z.boolean().default(false),
  /** Left out: the gateway's own mail. */
  transport: pluginReference('mail-transports').optional(),
})

/** A link by e-mail, with a code beside it for another device. */
export default definePlugin({
  kind: 'second-factors',
  options,
  async create({ countsAs, signIn, transport: reference }, host): Promise<SentSecondFactor> {
    const transport = reference === undefined ? host.mail : await host.load('mail-transports', reference)
    if (transport === undefined)
      throw new Error('Links by e-mail need `mail` in the configuration, or a transport here')
    return {
      label: 'Link by e-mail',
      sends: 'link',
      link: { countsAs, signIn },
      address: ({ email }) => email,
      send: (message) => transport.send(message),
    }
  },
})
