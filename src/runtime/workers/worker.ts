import { sentenceOf } from '../error-text.js'
import { Gateway, type Prepared } from '../gateway.js'
import { createLog } from '../log/log.js'
import type { Traces } from '../traces/open.js'
import { tracesOf } from '../traces/wanted.js'
import { hello, isOrder, type WorkerAnswer, type WorkerOrder } from './worker-messages.js'

/** One of several processes that serve one listener. It does what the supervisor says, and ends with it. */

process.on('disconnect', () => process.exit(1))

let gateway: Gateway | undefined
let prepared: Prepared | undefined
let traces: Traces | undefined
let log: ReturnType<typeof createLog> | undefined

process.on('message', (message) => {
  if (!isOrder(message)) return
  obey(message).then(
    (said) => answer({ answers: message.id, ...said }),
    (fault) => answer({ answers: message.id, fault: sentenceOf(fault) }),
  )
})

async function obey(order: WorkerOrder): Promise<{ url?: string }> {
  if (order.do === 'start') {
    const { level, format } = order.config.log
    log = createLog(level, undefined, format)
    const observer = order.config.metrics && (await import('../metrics.js')).metricsOfWorker()
    traces = await tracesOf(process.env, log)
    gateway = await Gateway.open(order.config, log, observer, traces)
    return { url: gateway.url }
  }
  if (gateway === undefined) throw new Error('This worker was not started.')
  if (order.do === 'prepare') prepared = await gateway.prepare(order.config)
  if (order.do === 'commit') {
    prepared?.commit()
    prepared = undefined
    if (log !== undefined) log.level = gateway.config.log.level
  }
  if (order.do === 'discard') {
    const unwanted = prepared
    prepared = undefined
    await unwanted?.discard()
  }
  if (order.do === 'audit') await gateway.core.audit.record(order.entry)
  if (order.do === 'stop') {
    await gateway.close(order)
    await traces?.close()
    process.exit(0)
  }
  return {}
}

// What was sent before this module listened is lost: from here on it hears.
answer({ answers: hello })

function answer(said: WorkerAnswer): void {
  process.send?.(said)
}
