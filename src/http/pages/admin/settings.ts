import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { Refusal } from '../../../operations/operation.js'
import { showSettings as lookAtSettings, previewSetting } from '../../../operations/settings.js'
import type { Visit } from '../visit.js'
import type { FormAgain } from './forms/form-again.js'
import { ask, deskData, requireAdmin } from './require-admin.js'
import { MOST_ROWS, networksText, rowsOfNetworks, typedRows } from './words/network-rows.js'
import { when } from './words/when.js'

const PAGE = '/admin/settings'
const CLEAR = '/admin/sessions/clear'

/**
 * What changes while everything runs, each with where it comes from; with a key and a value, whom the change would affect.
 * @param again a change that was refused, as it was sent
 */
export async function showSettings(visit: Visit, again?: FormAgain): Promise<FastifyReply> {
  const typed = again?.typed ?? {}
  return show(
    visit,
    text(typed['key']) || visit.parameter('key'),
    text(typed['value']) || visit.parameter('value'),
    again,
  )
}

/** The networks as rows: puts them together and asks whom the change would affect. Changes nothing. */
export async function checkNetworks(visit: Visit): Promise<FastifyReply> {
  return show(visit, 'networks', networksText(typedRows((name) => visit.field(name))))
}

async function show(visit: Visit, key: string, value: string, again?: FormAgain): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, PAGE)
  if (open === undefined) return elsewhere
  if (by.role !== 'owner') throw new GatelodgeError('not-found')
  const settings = await ask(visit, lookAtSettings, {}, { by, page: PAGE })
  if (settings.elsewhere !== undefined) return settings.elsewhere
  const wanted = key !== '' && value !== ''
  const tried =
    wanted && again === undefined ? await visit.parts.desk.run(previewSetting, { key, value }, by) : undefined
  const refused = tried instanceof Refusal ? tried : undefined
  const problem = again?.problem ?? again?.faults['value'] ?? (refused && sentencesOf(refused))
  const now = visit.parts.desk.services.now()
  const data = {
    ...deskData(visit, by),
    settings: settings.done.items.map((setting) => {
      const isTyped = wanted && setting.key === key
      const isRows = setting.key === 'networks' && Array.isArray(setting.value) && setting.value.length < MOST_ROWS
      const rows = isRows ? rowsOfNetworks(isTyped ? read(value) : setting.value) : undefined
      return {
        ...setting,
        text: textOf(setting.value),
        typed: isTyped ? value : textOf(setting.value),
        rows,
        now: setting.key === 'networks' ? rowsOfNetworks(setting.value) : undefined,
        problem: isTyped ? problem : undefined,
        fileText: textOf(setting.inFile),
        when: setting.changedAt === undefined ? undefined : when(Date.parse(setting.changedAt), now),
      }
    }),
    fault: problem !== undefined,
    unknown: problem !== undefined && !settings.done.items.some((setting) => setting.key === key) ? problem : undefined,
    preview:
      tried === undefined || tried instanceof Refusal
        ? undefined
        : { ...tried, key, value, rows: key === 'networks' ? rowsOfNetworks(read(value)) : undefined },
  }
  const code = again?.code ?? refused?.code
  return code === undefined ? visit.page('admin-settings', data) : visit.refuse(code, 'admin-settings', data)
}

/** What is wrong in one sentence each, without the lines of a file around it. */
function sentencesOf({ faults, sentence }: Refusal): string {
  return faults.length === 0 ? sentence : faults.map((fault) => fault.sentence).join(' ')
}

function read(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    // Typed as YAML in an address: shown as it is.
    return undefined
  }
}

function text(value: string | readonly string[] | undefined): string {
  return typeof value === 'string' ? value : ''
}

/** Ends sessions of many: says how many there are first. */
export async function showClear(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, CLEAR)
  if (open === undefined) return elsewhere
  if (by.role !== 'owner') throw new GatelodgeError('not-found')
  const { open: count, isMore } = await visit.parts.desk.services.sessions.count(LOOKED)
  return visit.page('admin-clear', { ...deskData(visit, by), count, isMore })
}

/** More takes longer than a page may. */
const LOOKED = 2000

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
