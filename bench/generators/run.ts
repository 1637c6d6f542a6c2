import { type ClosedOrder, closed } from './closed.js'
import { type EchoOrder, echo } from './echo.js'
import { type SteadyOrder, steady } from './steady.js'
import { type TransferOrder, transfer } from './transfer.js'

export type Order = ClosedOrder | SteadyOrder | EchoOrder | TransferOrder

/** The process that sends: one of its own, so that what is measured shares no event loop with it. */
process.on('message', async (order: Order) => {
  try {
    process.send?.({ times: await obey(order) })
  } catch (fault) {
    process.send?.({ fault: fault instanceof Error ? fault.message : String(fault) })
  }
})

function obey(order: Order) {
  if (order.kind === 'closed') return closed(order)
  if (order.kind === 'steady') return steady(order)
  return order.kind === 'echo' ? echo(order) : transfer(order)
}
