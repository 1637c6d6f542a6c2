import { z } from 'zod'
import { definePlugin, pluginReference, type SentSecondFactor } from '../../src/contracts.js'

const options = z
  .strictObject({
    /**
     * What a link proves that is opened in place of the password: `password`, or `both` steps at once. Whoever reads the mail
     * can open it, so it counts as both only where that is said. After the password it is the second step, always.
     */
    countsAs: z.enum(['password', 'second-factor', 'both']).default('password'),
    /** Whether it may be asked for on the sign-in page, in place of the password. */
    signIn: z.boolean().default(false),
    /** Left out: the gateway's own mail. */
    transport: pluginReference('mail-transports').optional(),
  })
  .refine(({ countsAs, signIn }) => !signIn || countsAs !== 'second-factor', {
    message: 'must be password or both where signIn is true: nothing else stands for the password then',
    path: ['countsAs'],
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
