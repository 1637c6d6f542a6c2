import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { isWritable } from '../../../identity/accounts/directories.js'
import { browserName } from '../../../messages/browser-name.js'
import { readWords, type Words } from '../../../operations/fields.js'
import { listSessions } from '../../../operations/sessions.js'
import { listTokens } from '../../../operations/tokens.js'
import { listUsers, showUser as lookAtUser } from '../../../operations/users/show.js'
import type { Visit } from '../visit.js'
import type { FormAgain } from './forms/form-again.js'
import { ask, deskData, requireAdmin } from './require-admin.js'
import { inOrder, unsorted } from './user-order.js'
import { userPage } from './user-page.js'
import { activityLine } from './words/activity.js'
import { spokenWait } from './words/spoken-wait.js'
import { waysIn } from './words/ways-in.js'
import { when } from './words/when.js'

const PAGE = '/admin/users'

/** Users by the beginning of the name, by filter, fifty at a time. */
export async function showUsers(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, PAGE)
  if (open === undefined) return elsewhere
  const { done: _, sort: __, ...query } = visit.request.query as Words & { done?: string; sort?: string }
  const given = readWords(listUsers.input, query)
  const result = await ask(visit, listUsers, { ...given, limit: 50 }, { by, page: PAGE })
  if (result.elsewhere !== undefined) return result.elsewhere
  const { items, next } = result.done
  const again = withoutPlace(given)
  if (next !== undefined) again.set('after', next)
  const isSortable = next === undefined && !('after' in given)
  const { users, columns } = isSortable ? inOrder(visit, items, given) : { users: items, columns: unsorted }
  return visit.page('admin-users', {
    ...deskData(visit, by),
    ...given,
    isSortable,
    columns,
    isFiltered: Object.keys(given).length > 0,
    users: users.map((user) => ({
      ...user,
      secondFactors: user.secondFactors.map((use) => visit.parts.secondFactors.get(use)?.label ?? use),
      address: visit.own(userPage(user.id)),
    })),
    first: 'after' in given ? `${visit.own(PAGE)}?${withoutPlace(given)}` : undefined,
    next: next === undefined ? undefined : `${visit.own(PAGE)}?${again}`,
  })
}

export async function showNewUser(visit: Visit, again?: FormAgain): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, `${PAGE}/new`)
  if (open === undefined) return elsewhere
  if (by.role !== 'owner') throw new GatelodgeError('not-found')
  const { sendsMail } = visit.parts.desk.services.messages
  return formPage(visit, 'admin-user-new', { ...deskData(visit, by), sendsMail }, again)
}

/**
 * One user, with everything that can be done.
 * @param again one of the forms, as it was sent
 */
export async function showUser(visit: Visit, user: string, again?: FormAgain): Promise<FastifyReply> {
  const page = userPage(user)
  const { open, by, elsewhere } = await requireAdmin(visit, page)
  if (open === undefined) return elsewhere
  const result = await ask(visit, lookAtUser, { user }, { by, page })
  if (result.elsewhere !== undefined) return result.elsewhere
  const { id, recent, secondFactors, locks, ...view } = result.done
  const sessions = await ask(visit, listSessions, { user: id, limit: 20 }, { by, page })
  if (sessions.elsewhere !== undefined) return sessions.elsewhere
  const tokens =
    by.role === 'owner' ? await ask(visit, listTokens, { user: id }, { by, page }) : { done: { items: [] } }
  if (tokens.elsewhere !== undefined) return tokens.elsewhere
  const { secondFactors: methods } = visit.parts
  const label = (use: string) => methods.get(use)?.label ?? use
  const now = visit.parts.desk.services.now()
  const at = (iso: string) => when(Date.parse(iso), now)
  const data = {
    ...deskData(visit, by),
    ...view,
    id,
    isSelf: id === open.account.id,
    isChangeable: id !== open.account.id && isWritable(visit.parts.desk.services.directory, id),
    /** Support helps users alone. */
    mayHelp: by.role === 'owner' || view.role === 'user',
    canMail: view.email !== undefined && visit.parts.desk.services.messages.sendsMail,
    here: visit.own(page),
    locks: locks.map(({ kind, secondsLeft }) => ({
      kind,
      wait: secondsLeft === undefined ? undefined : spokenWait(secondsLeft),
    })),
    factors: secondFactors.map(({ name, method, createdAt, lastUsedAt }) => ({
      name,
      label: label(method),
      since: at(createdAt),
      used: lastUsedAt === undefined ? undefined : at(lastUsedAt),
    })),
    awaitingLabel: view.awaiting === undefined ? undefined : label(view.awaiting),
    methods: [...methods].map(([use]) => ({ use, label: label(use), isOff: view.methodsOff.includes(use) })),
    exemptUntil: view.exemption?.until === undefined ? undefined : at(view.exemption.until),
    sessions: sessions.done.items.map(({ openedAt, userAgent, address, via, hosts }) => ({
      hosts,
      browser: browserName(userAgent),
      address,
      via: waysIn(via, label),
      since: at(openedAt),
    })),
    tokens: tokens.done.items.filter(({ status }) => status === 'active'),
    entries: recent.map((entry) => activityLine(entry, { now, label })),
  }
  return again === undefined
    ? visit.page('admin-user', data)
    : visit.refuse(again.code, 'admin-user', { ...data, again })
}

export async function showMessageForm(visit: Visit, user: string, again?: FormAgain): Promise<FastifyReply> {
  return userForm(visit, user, 'message', 'admin-message', again)
}

export async function showTokenForm(visit: Visit, user: string, again?: FormAgain): Promise<FastifyReply> {
  return userForm(visit, user, 'token', 'admin-token', again)
}

/** What was asked for, from its first page. */
function withoutPlace(given: Readonly<Record<string, unknown>>): URLSearchParams {
  const again = new URLSearchParams()
  for (const [name, value] of Object.entries(given)) {
    if (name !== 'after') again.set(name, value === true ? 'yes' : String(value))
  }
  return again
}

async function userForm(
  visit: Visit,
  user: string,
  name: string,
  template: string,
  again: FormAgain | undefined,
): Promise<FastifyReply> {
  const page = `${userPage(user)}/${name}`
  const { open, by, elsewhere } = await requireAdmin(visit, page)
  if (open === undefined) return elsewhere
  if (name === 'token' && by.role !== 'owner') throw new GatelodgeError('not-found')
  const result = await ask(visit, lookAtUser, { user }, { by, page })
  if (result.elsewhere !== undefined) return result.elsewhere
  const { id, username, email } = result.done
  const data = { ...deskData(visit, by), id, username, email, back: visit.own(userPage(user)) }
  return formPage(visit, template, data, again)
}

function formPage(visit: Visit, template: string, data: object, again: FormAgain | undefined): FastifyReply {
  return again === undefined ? visit.page(template, data) : visit.refuse(again.code, template, { ...data, ...again })
}
