import { z } from 'zod'
import type { NotSent } from '../../identity/notices/support-mails.js'
import { defineOperation, type Refusal, refuse } from '../operation.js'
import { userName } from './view.js'

export const issueRecoveryCode = defineOperation({
  name: 'user.recovery-code',
  summary: 'a code that stands for the second factor, once, for an hour; the password is still asked',
  may: 'support',
  fresh: true,
  notSelf: true,
  event: 'admin.recovery-code',
  consequence: (whom) =>
    `Whoever has the code and the password of ${whom} gets in once within an hour, without the second factor. An earlier code no longer works, and ${whom} is told by mail.`,
  input: z.strictObject({ user: userName }),
  output: z.object({
    username: z.string(),
    code: z.string().describe('Shown this once, and kept nowhere.'),
    expiresAt: z.iso.datetime(),
  }),
  doors: { page: '/users/:user', api: 'POST /users/{user}/recovery-code', commandLine: 'user recovery-code' },
  async run({ services, target: { user, account }, by, write }) {
    const { username } = account
    if (account.status !== 'active') return refuse(`${username} cannot sign in: not active.`)
    if (account.role === 'api') return refuse(`${username} is an API account and has no second factor.`)
    await write()
    const { code, expiresAt } = await services.recoveryCodes.issue(account, user, by.account?.username ?? by.door)
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
  async run({ services, target, write, fail }) {
    const reason = services.support.whyNot(target)
    if (reason !== undefined) {
      await fail(reason)
      return notSent(target.user.username, reason)
    }
    await write()
    const result = await services.support.sendLoginLink(target)
    if (result.outcome === 'sent') return { username: target.user.username, outcome: 'sent' as const }
    await fail(result.reason)
    return notSent(target.user.username, result.reason)
  },
})

export const inviteUser = defineOperation({
  name: 'user.invite-link',
  summary: 'a link to hand over to a user who has not come in yet: it signs in once, within 24 hours',
  may: 'owner',
  fresh: true,
  notSelf: true,
  event: 'admin.invite-link',
  input: z.strictObject({ user: userName }),
  output: z.object({
    username: z.string(),
    link: z.string().describe('Shown this once. An earlier one no longer works.'),
    expiresAt: z.iso.datetime(),
  }),
  doors: { page: '/users/:user', api: 'POST /users/{user}/invite-link', commandLine: 'user invite-link' },
  async run({ services, target: { account }, write, fail }) {
    const { username, isInvited, status } = account
    // Whoever has the link is that user: for somebody who has a password nobody but their mailbox gets one.
    if (isInvited !== true) {
      await fail('not-invited')
      return refuse(`${username} has been here already: a login link goes to them by mail.`)
    }
    if (status !== 'active') {
      await fail('not-active')
      return refuse(`${username} cannot sign in: not active.`)
    }
    await write()
    const { link, expiresAt } = await services.loginLinks.issueForInvited(account)
    return { username, link, expiresAt: new Date(expiresAt).toISOString() }
  },
})

/** What would make a second recipient is not one address. */
const oneAddress = z.string().regex(/^[^\s\p{C}"(),:;<>@[\\\]]{1,64}@[^\s\p{C}"(),:;<>@[\\\]]{1,190}$/u, {
  error: ({ input }) => `"${input}" is not one mail address.`,
})

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
  async run({ services, input: { title, text, copies }, target, write, fail }) {
    const link = text.includes('[loginLink]')
    const to = [...new Set(copies)]
    const reason = services.support.whyNot(target, link)
    if (reason !== undefined) {
      await fail(reason)
      return notSent(target.user.username, reason)
    }
    await write({ details: { link, copies: to } })
    const result = await services.support.sendMessage(target, { title, text, copies: to })
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
  consequence: (whom) =>
    `Every second factor of ${whom} is forgotten, with the backup codes and remembered devices, and every session ends. It cannot be undone: they set one up anew at the next sign-in.`,
  input: z.strictObject({ user: userName }),
  output: z.object({ username: z.string(), removed: z.int() }),
  doors: {
    page: '/users/:user',
    api: 'POST /users/{user}/reset-second-factor',
    commandLine: 'user reset-second-factor',
  },
  async run({ services, target: { user, account }, by, write }) {
    await write()
    const removed = (await services.enrolments.reset(account.id)) ?? 0
    await services.devices.revokeAll(account.id, { client: by.client, reason: 'factor-reset' })
    await services.audit.record({
      event: 'factor.reset',
      outcome: 'success',
      accountId: account.id,
      username: account.username,
      reason: by.account?.username ?? by.door,
      ...(by.client === undefined ? {} : { client: by.client }),
      details: { removed },
    })
    // Without the circumstances: those of whoever helped are not the user's to know.
    services.notices.tell('factor-reset', { user, values: {} })
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
