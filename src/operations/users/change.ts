import { z } from 'zod'
import type { User, UserChange } from '../../contracts.js'
import { isWritable } from '../../identity/accounts/directories.js'
import { mailAddress, mobileNumber } from '../../identity/store/contact-forms.js'
import { type Context, defineOperation, Refusal, refuse } from '../operation.js'
import type { Services } from '../services.js'
import { userName, userView, viewOf } from './view.js'

const removable = ['email', 'mobile', 'displayName'] as const

const fields = z.strictObject({
  user: userName,
  email: z.string().min(1).max(254).optional(),
  mobile: z.string().min(1).max(32).optional().describe('As in +12025550100.'),
  displayName: z.string().min(1).max(200).optional().describe('What people call them, as in Ada Lovelace.'),
  groups: z.array(z.string().min(1).max(64)).max(100).optional().describe('All of them; left out: as they are.'),
  remove: z.array(z.enum(removable)).default([]).describe('What is no longer there.'),
})

export const changeUser = defineOperation({
  name: 'user.change',
  summary: 'change the e-mail address, mobile number, display name or groups of a user',
  // A login link goes to the address: whoever could change it could be that user.
  may: 'owner',
  fresh: true,
  notSelf: true,
  event: 'admin.user-changed',
  input: fields,
  output: userView,
  doors: { page: '/users/:user', api: 'POST /users/{user}/change', commandLine: 'user change' },
  async run(context) {
    const { services, target, write, fail } = context
    const { writable } = services.directory
    if (writable === undefined || !isWritable(services.directory, target.user.id)) {
      return refuse('The users of this directory are changed where they come from.')
    }
    const wanted = await wantedChange(context)
    if (wanted instanceof Refusal) return wanted
    const { user: before, account } = target
    const what = (Object.keys(wanted) as (keyof UserChange)[]).filter((key) => !isSame(before[key], wanted[key]))
    if (what.length === 0) return refuse('That is how it is already.')
    const after = { ...before, ...wanted } as User
    const lost = account.enrolled.find(({ method }) => wouldLose(services, method, before, after))
    if (lost !== undefined) {
      return refuse(
        `Sign-in codes go there by ${lost.method}: reset the second factor first, or give a number that can get them.`,
      )
    }
    await write({ details: { changed: what, ...(what.includes('groups') ? { groups: [...after.groups] } : {}) } })
    let changed: User | undefined
    try {
      changed = await writable.update(before.id, wanted)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      await fail('malformed')
      return refuse(`${error.message}.`)
    }
    if (changed === undefined) {
      await fail('gone')
      return refuse('There is no such user any more.')
    }
    const ended = await endWhatWasOpen(context, what)
    tell(services, before, changed, what)
    return viewOf(changed, ended ?? account)
  },
})

async function wantedChange({ input, target }: Context<z.output<typeof fields>>): Promise<UserChange | Refusal> {
  const { displayName, groups, remove } = input
  // A form says again what is there: that need not be what would be taken today.
  const email = input.email === target.user.email ? undefined : input.email
  const mobile = input.mobile === target.user.mobile ? undefined : input.mobile
  const both = remove.find((name) => input[name] !== undefined)
  if (both !== undefined) return fault(both, `The ${names[both]} is to be changed and removed: not both.`)
  const address = email === undefined ? undefined : mailAddress(email)
  if (email !== undefined && address === undefined) return fault('email', 'This is not one mail address.')
  const number = mobile === undefined ? undefined : await mobileNumber(mobile)
  if (mobile !== undefined && number === undefined) {
    return fault('mobile', 'A mobile number starts with + and the country code, as in +12025550100.')
  }
  return {
    ...Object.fromEntries(remove.map((name) => [name, undefined])),
    ...(address === undefined ? {} : { email: address }),
    ...(number === undefined ? {} : { mobile: number }),
    ...(displayName === undefined ? {} : { displayName: displayName.trim() }),
    ...(groups === undefined ? {} : { groups: [...new Set(groups)] }),
  }
}

/**
 * Links and codes that went to the old address or number are worth nothing from now on; sessions carry the groups of the
 * sign-in, so those end that have others.
 */
async function endWhatWasOpen({ services, target, by }: Context, what: readonly (keyof UserChange)[]) {
  const { user } = target
  const isReplaced = (['email', 'mobile'] as const).some((key) => what.includes(key) && user[key] !== undefined)
  if (isReplaced) {
    return services.sessions.endAll(user.id, {
      reason: 'contact-changed',
      ...(by.client === undefined ? {} : { client: by.client }),
    })
  }
  return what.includes('groups') ? services.sessions.clearOf(user.id) : undefined
}

/** The old address first of all: if this was not meant to be, that is where the user is. */
function tell({ notices }: Services, before: User, user: User, what: readonly (keyof UserChange)[]): void {
  const values = { what: what.map((key) => names[key]).join(', ') }
  if (!what.includes('email') && !what.includes('mobile')) {
    notices.tell('account-changed', { user, values })
    return
  }
  const addresses = new Set([before.email, user.email].filter((to) => to !== undefined))
  for (const to of addresses) notices.tell('contact-changed', { user, values, to })
}

/** Whether a method the user relies on could not reach them any more. */
function wouldLose({ secondFactors }: Services, method: string, before: User, after: User): boolean {
  const factor = secondFactors.get(method)
  if (factor === undefined || !('sends' in factor)) return false
  return factor.address(before) !== undefined && factor.address(after) === undefined
}

function isSame(before: unknown, after: unknown): boolean {
  return JSON.stringify(before) === JSON.stringify(after)
}

function fault(field: string, sentence: string): Refusal {
  return new Refusal('operation.input', sentence, { faults: [{ field, sentence }] })
}

/** As users are told. */
const names = {
  username: 'username',
  email: 'e-mail address',
  mobile: 'mobile number',
  displayName: 'name',
  groups: 'groups',
} as const
