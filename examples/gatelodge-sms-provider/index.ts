import { credential, definePlugin, httpAddress, httpFailureError, httpStatusError } from 'gatelodge/plugin'
import { z } from 'zod'

export default definePlugin({
  kind: 'sms-transports',
  options: z.strictObject({
    /** Where the provider takes messages. */
    url: httpAddress(),
    token: credential,
    /** Who the message comes from, as the provider knows it. */
    sender: z.string().min(1),
    timeoutSeconds: z.number().positive().max(60).default(10),
  }),
  create: ({ url, token, sender, timeoutSeconds }) => ({
    async send({ to, text }) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ from: sender, to, text }),
        // Another host must get neither the token nor the message.
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutSeconds * 1000),
      }).catch((error: Error) => {
        // What went wrong on the way stands in the cause; fetch itself only says that it failed.
        throw httpFailureError(error.cause ?? error)
      })
      // What the provider says may repeat number and text, so nothing of it is read.
      await response.body?.cancel()
      if (!response.ok) throw httpStatusError(response.status, response.headers.get('retry-after') ?? undefined)
    },
  }),
})
