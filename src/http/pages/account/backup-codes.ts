import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import type { OpenSession } from '../../../identity/sessions/sessions.js'
import { carried } from '../../web/return-path.js'
import { showSignedIn } from '../refusals.js'
import type { Visit } from '../visit.js'
import { requireForm, requireSession } from './require.js'

const PAGE = '/account/backup-codes'

/** As many or fewer deserve a warning. */
export const FEW_LEFT = 3

/** How many are left, and the button that makes new ones. */
export async function showBackupCodes(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireSession(visit, PAGE)
  if (open === undefined) return elsewhere
  const left = await visit.parts.backupCodes.left(open.account)
  return visit.page('backup-codes', {
    ...common(visit),
    isEnrolled: open.account.enrolled.length > 0,
    left,
    few: FEW_LEFT,
    shown: (await visit.parts.sealed.open(visit.sessionToken)) && onward(visit, `${PAGE}/new`),
    setUp: visit.own('/enrol', visit.own('/account')),
  })
}

/** Ten new ones. Shown on a page of their own, which may be loaded anew without making more. */
export async function makeBackupCodes(visit: Visit): Promise<FastifyReply> {
  const confirmed = { action: 'backup-codes', subject: '', what: 'Make new backup codes' }
  const { open, elsewhere } = await requireForm(visit, PAGE, 'backup-codes', confirmed)
  if (open === undefined) return elsewhere
  if (open.account.enrolled.length === 0) return visit.goTo(visit.own(PAGE))
  const isFirst = (await visit.parts.backupCodes.left(open.account)) === undefined
  await make(visit, visit.sessionToken ?? '', open, isFirst ? 'first' : 'renewed')
  return visit.goTo(onward(visit, `${PAGE}/new`))
}

/** The codes, for as long as they were not said to be saved, and ten minutes at most. */
export async function showNewBackupCodes(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireSession(visit, PAGE)
  if (open === undefined) return elsewhere
  const codes = await visit.parts.sealed.open(visit.sessionToken)
  if (codes === undefined) return visit.goTo(onward(visit, PAGE))
  return visit.page('backup-codes-new', { ...common(visit), codes, username: open.account.username })
}

/** The same as a text file. */
export async function downloadBackupCodes(visit: Visit): Promise<FastifyReply> {
  const codes = await loadShown(visit)
  if (codes === undefined) return visit.goTo(onward(visit, PAGE))
  const open = await visit.session()
  const { productName } = visit.parts
  const lines = [`Backup codes for ${productName}, ${open?.account.username ?? ''}`, 'Each works once.', '', ...codes]
  return visit.reply
    .type('text/plain; charset=utf-8')
    .header('content-disposition', 'attachment; filename="backup-codes.txt"')
    .send(`${lines.join('\r\n')}\r\n`)
}

/** Seen and saved: they are shown no more. */
export async function savedBackupCodes(visit: Visit): Promise<FastifyReply> {
  const next = returnTo(visit, visit.field('return'))
  if ((await visit.session()) !== undefined && (await visit.parts.sealed.open(visit.sessionToken)) === undefined) {
    return showSignedIn(visit, next)
  }
  if (visit.hasFormToken('backup-codes', visit.sessionToken)) await visit.parts.sealed.forget(visit.sessionToken)
  return visit.goTo(next)
}

/**
 * Where somebody goes on to who just confirmed a second factor: past the codes that come with the first one.
 * @param token of the session that opened
 */
export async function pastFirstCodes(visit: Visit, token: string, next: string): Promise<string> {
  const { sessions, backupCodes } = visit.parts
  const open = await sessions.find(token)
  if (open === undefined || (await backupCodes.left(open.account)) !== undefined) return next
  try {
    await make(visit, token, open, 'first')
    return withReturn(visit, `${PAGE}/new`, next)
  } catch (error) {
    // Too many hashes at this moment: the page has a button.
    if (error instanceof GatelodgeError && error.code === 'password.busy') return withReturn(visit, PAGE, next)
    throw error
  }
}

async function make(visit: Visit, token: string, open: OpenSession, why: 'first' | 'renewed'): Promise<void> {
  const { backupCodes, sealed, pagePolicy } = visit.parts
  const { account, session } = open
  await sealed.keep(token, await backupCodes.make(account, session.user, pagePolicy.client(visit.request), why))
}

async function loadShown(visit: Visit): Promise<readonly string[] | undefined> {
  if (!visit.hasFormToken('backup-codes', visit.sessionToken) || (await visit.session()) === undefined) return undefined
  return visit.parts.sealed.open(visit.sessionToken)
}

function common(visit: Visit): object {
  return {
    token: visit.formToken('backup-codes', visit.sessionToken),
    returnTo: returnTo(visit, visit.parameter('return')),
  }
}

/** Another page of these, on the same way. */
function onward(visit: Visit, page: string): string {
  const said = visit.parameter('return') || visit.field('return')
  return said === '' ? visit.own(page) : withReturn(visit, page, visit.returnPath(said))
}

/** Where the visitor came from: without a word about it, the account page. */
function returnTo(visit: Visit, said: string): string {
  return said === '' ? visit.own('/account') : visit.returnPath(said)
}

/** Also for the start page: it is not where one goes from here by itself. */
function withReturn(visit: Visit, page: string, path: string): string {
  return `${visit.own(page)}?${new URLSearchParams({ return: carried(path) })}`
}
