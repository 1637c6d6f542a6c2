import { z } from 'zod'
import { defineOperation, refuse } from '../operation.js'

export const setupLink = defineOperation({
  name: 'setup-link',
  summary: 'a link that makes the first owner in a browser, once and within an hour, while there is none',
  may: 'owner',
  event: 'admin.setup-link',
  input: z.strictObject({}),
  output: z.object({
    link: z.string().describe('Shown this once. An earlier one no longer works.'),
    expiresAt: z.iso.datetime(),
  }),
  doors: {
    page: { none: 'Who can open a page of the desk is an owner, and then there is nothing to set up.' },
    api: { none: 'A program that administers belongs to an owner, and then there is nothing to set up.' },
    commandLine: 'setup-link',
  },
  async run({ services: { firstOwner, messages }, write, fail }) {
    if (!firstOwner.isPossible) {
      await fail('directory')
      return refuse(
        'The users of this directory are added where they come from: gatelodge user role NAME owner makes one of them an owner.',
      )
    }
    if (!(await firstOwner.isMissing())) {
      await fail('has-owner')
      return refuse(
        'There is an owner, who adds others at the desk. gatelodge owner-link lets one in who cannot get in.',
      )
    }
    await write()
    const { path, expiresAt } = await firstOwner.issue()
    return { link: messages.link(path), expiresAt: new Date(expiresAt).toISOString() }
  },
})
