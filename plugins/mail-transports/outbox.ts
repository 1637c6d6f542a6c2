import { appendFile, readFile } from 'node:fs/promises'
import { z } from 'zod'
import { definePlugin, type KeptMessage, type MailTransport } from '../../src/contracts.js'
import { filePath } from '../../src/plugin-kit.js'

const options = z.strictObject({
  /** A file that takes one line of JSON for each mail, so that every process, page and test can read them. */
  path: filePath().optional(),
})

const keptMails = 100

/** For development: sends nothing, prints every mail and keeps the latest hundred. */
export default definePlugin({
  kind: 'mail-transports',
  options,
  create({ path }, host): MailTransport {
    const latest: KeptMessage[] = []
    return {
      async send({ to, subject, text, html }) {
        const mail = { at: host.now(), to, subject, text, ...(html === undefined ? {} : { html }) }
        latest.push(mail)
        latest.splice(0, latest.length - keptMails)
        if (path !== undefined) await appendFile(path, `${JSON.stringify(mail)}\n`, { mode: 0o600 })
        host.log.info({ to, subject, text }, 'Demonstration: this mail was kept here and not sent')
      },
      async kept() {
        if (path === undefined) return [...latest]
        const lines = await readFile(path, 'utf8').catch(() => '')
        return lines
          .split('\n')
          .slice(-keptMails - 1, -1)
          .map((line): KeptMessage => JSON.parse(line))
      },
    }
  },
})
