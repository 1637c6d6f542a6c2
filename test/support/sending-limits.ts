import type { SendingLimits } from '../../src/messages/sending-budget.js'

/** The numbers of an installation that says nothing about sending. */
export const usualLimits: SendingLimits = {
  waitSeconds: 60,
  accountPerHour: 5,
  accountPerDay: 10,
  numberPerHour: 3,
  networkPerHour: 20,
  linksPerHour: 3,
  smsPerDay: 500,
  mailPerDay: 5_000,
  unproven: { networkPerHour: 20, perDay: 1_000 },
}
