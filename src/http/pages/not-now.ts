import type { FastifyReply } from 'fastify'
import type { NotNow } from './strangers.js'
import type { Visit } from './visit.js'

/**
 * The form once more, with what was typed and the words why it has to be sent again. A form that was too young keeps its
 * token, which is old enough in a moment; every other one gets a new one.
 */
export function showNotNow(visit: Visit, page: string, form: object, notNow: NotNow): FastifyReply {
  if (notNow.why === 'spent') return visit.refuse('sign-in.expired', page, { ...form, notice: 'spent' })
  const { why, retryAfterSeconds } = notNow
  const token = visit.field('token')
  const kept = why === 'early' ? { token, tokenForUsernames: token } : {}
  const data = { ...form, ...kept, notice: why, waitSeconds: retryAfterSeconds }
  return visit.refuse('help.held', page, data, retryAfterSeconds)
}
