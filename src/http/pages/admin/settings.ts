import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { showSettings as lookAtSettings, previewSetting } from '../../../operations/settings.js'
import { spoken } from '../account/words.js'
import type { Visit } from '../visit.js'
import { ask, deskData, loadDesk } from './standing.js'

const PAGE = '/admin/settings'
const CLEAR = '/admin/sessions/clear'

/** What changes while everything runs, each with where it comes from; with a key and a value, whom the change would touch. */
export async function showSettings(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await loadDesk(visit, PAGE)
  if (open === undefined) return elsewhere
  if (by.role !== 'owner') throw new GatelodgeError('not-found')
  const settings = await ask(visit, lookAtSettings, {}, { by, page: PAGE })
  if (settings.elsewhere !== undefined) return settings.elsewhere
  const [key, value] = [visit.parameter('key'), visit.parameter('value')]
  const wanted = key !== '' && value !== ''
  const preview = wanted ? await ask(visit, previewSetting, { key, value }, { by, page: PAGE }) : undefined
  if (preview?.elsewhere !== undefined) return preview.elsewhere
  return visit.page('admin-settings', {
    ...deskData(visit, by),
    settings: settings.done.items.map((setting) => ({
      ...setting,
      text: textOf(setting.value),
      fileText: textOf(setting.inFile),
      when: setting.changedAt === undefined ? undefined : spoken(Date.parse(setting.changedAt)),
    })),
    preview: preview?.done && { ...preview.done, key, value },
  })
}

/** Ends sessions of many: says how many there are first. */
export async function showClear(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await loadDesk(visit, CLEAR)
  if (open === undefined) return elsewhere
  if (by.role !== 'owner') throw new GatelodgeError('not-found')
  const { open: count, isMore } = await visit.parts.desk.rooms.sessions.count(LOOKED)
  return visit.page('admin-clear', { ...deskData(visit, by), count, isMore })
}

/** More takes longer than a page may. */
const LOOKED = 2000

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
