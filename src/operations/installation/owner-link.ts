import { z } from 'zod'
import { defineOperation, refuse } from '../operation.js'
import { userName } from '../users/view.js'

export const ownerLink = defineOperation({
  name: 'owner-link',
  summary: 'break the glass: a link that signs an owner in, and a code for the second factor, when no owner gets in',
  may: 'owner',
  event: 'admin.owner-link',
  input: z.strictObject({ name: userName.optional().describe('Which owner; may be left out while there is one.') }),
  output: z.object({
    username: z.string(),
    link: z.string(),
    recoveryCode: z.string().optional().describe('In place of the second factor, where one is set up.'),
    expiresAt: z.iso.datetime(),
  }),
  doors: {
    page: { none: 'Who can open a page is not locked out, and nobody lets himself in another way.' },
    api: { none: 'A stolen token would be an owner: it is for whoever runs the machine.' },
    commandLine: 'owner-link',
  },
  async run({ services, input: { name }, by, write }) {
    const owners = await services.accounts.owners.list()
    const list = owners.map(({ username }) => username).join(', ')
    if (owners.length === 0) return refuse('There is no active owner: gatelodge user role NAME owner makes one.')
    const [user] = name === undefined ? [] : await services.directory.find({ username: name })
    const meant = name === undefined ? owners : owners.filter(({ id }) => id === (user?.id ?? name))
    const [owner] = meant
    if (owner === undefined) return refuse(`"${name}" is no active owner. Owners are: ${list}.`)
    if (meant.length > 1) return refuse(`Say which owner: ${list}.`)
    await write({ username: owner.username, details: { owner: owner.username } })
    const { link, expiresAt } = await services.loginLinks.issueForOwner(owner)
    const [known = { ...owner, groups: [] }] = await services.directory.find({ id: owner.id })
    const code = owner.enrolled.length === 0 ? undefined : await services.recoveryCodes.issue(owner, known, by.door)
    return {
      username: owner.username,
      link,
      ...(code === undefined ? {} : { recoveryCode: code.code }),
      expiresAt: new Date(expiresAt).toISOString(),
    }
  },
})
