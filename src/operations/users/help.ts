import { z } from 'zod'
import type { NotSent } from '../../identity/support.js'
import { defineOperation, type Refusal, refuse } from '../operation.js'
import { userName } from './view.js'

export const issueRecoveryCode = defineOperation({
  name: 'user.recovery-code',
  summary: 'a code that stands for the second factor, once, for an hour; the password is still asked',
  may: 'support',
  fresh: true,
  notSelf: true,
  event: 'admin.recovery-code',
  input: z.strictObject({ user: userName }),
  output: z.object({
    username: z.string(),
    code: z.string().describe('Shown this once, and kept nowhere.'),
    expiresAt: z.iso.datetime(),
  }),
  doors: { page: '/users/:user', api: 'POST /users/{user}/recovery-code', commandLine: 'user recovery-code' },
  async run({ rooms, target: { user, account }, by, write }) {
    const { username } = account
    if (account.status !== 'active') return refuse(`${username} cannot sign in: not active.`)
    if (account.role === 'api') return refuse(`${username} is an API account and has no second factor.`)
    await write()
    const { code, expiresAt } = await rooms.recoveryCodes.issue(account, user, by.account?.username ?? by.door)
    return { username, code, expiresAt: new Date(expiresAt).toISOString() }
  },
})

export const sendLoginLink = defineOperation({
  name: 'user.login-link',
  summary: 'mail a user a link that signs in without the password, for 24 hours and once',
  may: 'support',
  notSelf: true,
  event: 'admin.login-link',
  input: z.strictObject({ user: userName }),
  output: z.object({ username: z.string(), outcome: z.literal('sent') }),
  doors: { page: '/users/:user', api: 'POST /users/{user}/login-link', commandLine: 'user login-link' },
  async run({ rooms, target, write, fail }) {
    const reason = rooms.support.whyNot(target)
    if (reason !== undefined) {
      await fail(reason)
      return notSent(target.user.username, reason)
    }
    await write()
    const result = await rooms.support.sendLoginLink(target)
    if (result.outcome === 'sent') return { username: target.user.username, outcome: 'sent' as const }
    await fail(result.reason)
    return notSent(target.user.username, result.reason)
  },
})

/** What would make a second recipient is not one address. */
const oneAddress = z
  .string()
  .regex(/^[^\s\p{C}"(),:;<>@[\\\]]{1,64}@[^\s\p{C}"(),:;<>@[\\\]]{1,190}$/u, 'This is not one mail address.')

export const sendMessage = defineOperation({
  name: 'user.message',
  summary: 'mail a user a message; [loginLink] in it becomes a link, in their copy only',
  may: 'support',
  event: 'admin.message',
  input: z.strictObject({
    user: userName,
    title: z.string().trim().min(1, 'Give the message a title.').max(200),
    text: z
      .string()
      .max(10_000)
      .refine((text) => text.trim() !== '', 'There is no message.'),
    copies: z.array(oneAddress).max(10).default([]).describe('Who gets a copy, without the link.'),
  }),
  output: z.object({
    username: z.string(),
    outcome: z.literal('sent'),
    link: z.boolean(),
    copies: z.int().describe('How many copies were taken over by the mail server.'),
  }),
  doors: { page: '/users/:user/message', api: 'POST /users/{user}/message', commandLine: 'user message' },
  async run({ rooms, input: { title, text, copies }, target, write, fail }) {
    const link = text.includes('[loginLink]')
    const to = [...new Set(copies)]
    const reason = rooms.support.whyNot(target, link)
    if (reason !== undefined) {
      await fail(reason)
      return notSent(target.user.username, reason)
    }
    await write({ details: { link, copies: to } })
    const result = await rooms.support.sendMessage(target, { title, text, copies: to })
    if (result.outcome === 'sent') return { username: target.user.username, ...result }
    await fail(result.reason)
    return notSent(target.user.username, result.reason)
  },
})

export const resetSecondFactor = defineOperation({
  name: 'user.reset-second-factor',
  summary: 'forget the second factors: the user sets one up anew',
  may: 'support',
  fresh: true,
  notSelf: true,
  event: 'admin.second-factor-reset',
  input: z.strictObject({ user: userName }),
  output: z.object({ username: z.string(), removed: z.int() }),
  doors: {
    page: '/users/:user',
    api: 'POST /users/{user}/reset-second-factor',
    commandLine: 'user reset-second-factor',
  },
  async run({ rooms, target: { user, account }, by, write }) {
    await write()
    const removed = (await rooms.enrolments.reset(account.id)) ?? 0
    await rooms.devices.revokeAll(account.id, { client: by.client, reason: 'factor-reset' })
    await rooms.audit.record({
      event: 'factor.reset',
      outcome: 'success',
      accountId: account.id,
      username: account.username,
      reason: by.account?.username ?? by.door,
      ...(by.client === undefined ? {} : { client: by.client }),
      details: { removed },
    })
    // Without the circumstances: those of whoever helped are not the user's to know.
    rooms.notices.tell('factor-reset', { user, values: {} })
    return { username: user.username, removed }
  },
})

function notSent(username: string, reason: NotSent): Refusal {
  if (reason === 'no-address') return refuse(`${username} has no mail address on file.`, reason)
  if (reason === 'inactive') {
    return refuse(`${username} cannot sign in with a link: the account is deactivated, or for a program.`, reason)
  }
  return refuse(`The mail to ${username} was not sent: see the log.`, reason)
}
