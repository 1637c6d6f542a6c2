import { appendFile, readFile } from 'node:fs/promises'
import { z } from 'zod'
import { definePlugin, type KeptMessage, type SmsTransport } from '../../src/contracts.js'
import { filePath } from '../../src/plugin-kit.js'

const options = z.strictObject({
  /** A file that takes one line of JSON for each message, so that every process, page and test can read them. */
  path: filePath().optional(),
})

const keptMessages = 100

/** For development: sends nothing, prints every text message and keeps the latest hundred. */
export default definePlugin({
  kind: 'sms-transports',
  options,
  create({ path }, host): SmsTransport {
    const latest: KeptMessage[] = []
    return {
      async send({ to, text }) {
        const message = { at: host.now(), to, text }
        latest.push(message)
        latest.splice(0, latest.length - keptMessages)
        if (path !== undefined) await appendFile(path, `${JSON.stringify(message)}\n`, { mode: 0o600 })
        host.log.info(message, 'Demonstration: this text message was kept here and not sent')
      },
      async kept() {
        if (path === undefined) return [...latest]
        const lines = await readFile(path, 'utf8').catch(() => '')
        return lines
          .split('\n')
          .slice(-keptMessages - 1, -1)
          .map((line): KeptMessage => JSON.parse(line))
      },
    }
  },
})
