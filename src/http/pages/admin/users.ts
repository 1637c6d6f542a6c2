import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { isWritable } from '../../../identity/directories.js'
import { browserName } from '../../../messages/browser-name.js'
import { readWords, type Words } from '../../../operations/fields.js'
import { listSessions } from '../../../operations/sessions.js'
import { listTokens } from '../../../operations/tokens.js'
import { listUsers, showUser as lookAtUser } from '../../../operations/users/look.js'
import { spoken } from '../account/words.js'
import type { Visit } from '../visit.js'
import { userPage } from './forms.js'
import { ask, deskData, loadDesk } from './standing.js'

const PAGE = '/admin/users'

/** Users by the beginning of the name, by filter, fifty at a time. */
export async function showUsers(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await loadDesk(visit, PAGE)
  if (open === undefined) return elsewhere
  const { done: _, ...query } = visit.request.query as Words & { done?: string }
  const given = readWords(listUsers.input, query)
  const result = await ask(visit, listUsers, { ...given, limit: 50 }, { by, page: PAGE })
  if (result.elsewhere !== undefined) return result.elsewhere
  const { items, next } = result.done
  const again = new URLSearchParams()
  for (const [name, value] of Object.entries(given)) if (name !== 'after') again.set(name, String(value))
  if (next !== undefined) again.set('after', next)
  return visit.page('admin-users', {
    ...deskData(visit, by),
    ...given,
    isFiltered: Object.keys(given).length > 0,
    users: items.map((user) => ({ ...user, address: visit.own(userPage(user.id)) })),
    next: next === undefined ? undefined : `${visit.own(PAGE)}?${again}`,
  })
}

export async function showNewUser(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await loadDesk(visit, `${PAGE}/new`)
  if (open === undefined) return elsewhere
  if (by.role !== 'owner') throw new GatelodgeError('not-found')
  return visit.page('admin-user-new', deskData(visit, by))
}

/** One user, with everything that can be done. */
export async function showUser(visit: Visit, user: string): Promise<FastifyReply> {
  const page = userPage(user)
  const { open, by, elsewhere } = await loadDesk(visit, page)
  if (open === undefined) return elsewhere
  const result = await ask(visit, lookAtUser, { user }, { by, page })
  if (result.elsewhere !== undefined) return result.elsewhere
  const { id, recent, secondFactors, ...view } = result.done
  const sessions = await ask(visit, listSessions, { user: id, limit: 20 }, { by, page })
  if (sessions.elsewhere !== undefined) return sessions.elsewhere
  const tokens =
    by.role === 'owner' ? await ask(visit, listTokens, { user: id }, { by, page }) : { done: { items: [] } }
  if (tokens.elsewhere !== undefined) return tokens.elsewhere
  const { secondFactors: methods } = visit.parts
  const label = (use: string) => methods.get(use)?.label ?? use
  return visit.page('admin-user', {
    ...deskData(visit, by),
    ...view,
    id,
    isSelf: id === open.account.id,
    isChangeable: id !== open.account.id && isWritable(visit.parts.desk.rooms.directory, id),
    /** Support helps users alone. */
    mayHelp: by.role === 'owner' || view.role === 'user',
    here: visit.own(page),
    factors: secondFactors.map(({ name, method, createdAt }) => ({
      name,
      label: label(method),
      since: spoken(Date.parse(createdAt)),
    })),
    awaitingLabel: view.awaiting === undefined ? undefined : label(view.awaiting),
    methods: [...methods].map(([use]) => ({ use, label: label(use), isOff: view.methodsOff.includes(use) })),
    exemptUntil: view.exemption?.until === undefined ? undefined : spoken(Date.parse(view.exemption.until)),
    sessions: sessions.done.items.map(({ openedAt, userAgent, address, via }) => ({
      browser: browserName(userAgent),
      address,
      via: via.join(', '),
      since: spoken(Date.parse(openedAt)),
    })),
    tokens: tokens.done.items.filter(({ status }) => status === 'active'),
    entries: recent.map(({ time, ...entry }) => ({ ...entry, when: spoken(Date.parse(time)) })),
  })
}

export async function showMessageForm(visit: Visit, user: string): Promise<FastifyReply> {
  return userForm(visit, user, 'message', 'admin-message')
}

export async function showTokenForm(visit: Visit, user: string): Promise<FastifyReply> {
  return userForm(visit, user, 'token', 'admin-token')
}

async function userForm(visit: Visit, user: string, name: string, template: string): Promise<FastifyReply> {
  const page = `${userPage(user)}/${name}`
  const { open, by, elsewhere } = await loadDesk(visit, page)
  if (open === undefined) return elsewhere
  if (name === 'token' && by.role !== 'owner') throw new GatelodgeError('not-found')
  const result = await ask(visit, lookAtUser, { user }, { by, page })
  if (result.elsewhere !== undefined) return result.elsewhere
  const { id, username, email } = result.done
  return visit.page(template, { ...deskData(visit, by), id, username, email, back: visit.own(userPage(user)) })
}
