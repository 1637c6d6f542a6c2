import { z } from 'zod'
import { definePlugin, pluginReference, type SentSecondFactor } from '../../src/contracts.js'

const options = z.strictObject({
  /** Left out: the gateway's own mail. */
  transport: pluginReference('mail-transports').optional(),
})

/** A code by e-mail. */
export default definePlugin({
  kind: 'second-factors',
  options,
  async create({ transport: reference }, host): Promise<SentSecondFactor> {
    const transport = reference === undefined ? host.mail : await host.load('mail-transports', reference)
    if (transport === undefined)
      throw new Error('Codes by e-mail need `mail` in the configuration, or a transport here')
    return {
      label: 'E-mail',
      sends: 'code',
      address: ({ email }) => email,
      send: (message) => transport.send(message),
    }
  },
})
