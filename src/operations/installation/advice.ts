import { z } from 'zod'
import type { Services } from '../services.js'

/** Something of this installation that works, and leaves people less safe than they may believe. */
export const adviceView = z.object({
  code: z.enum(['second-factor.optional', 'mail.missing', 'proxy.not-trusted']),
  sentence: z.string().describe('What is so, and what it means.'),
  todo: z.string().describe('What to do about it.'),
})

export type AdviceView = z.output<typeof adviceView>

/** What owners and support are told on the first page of the desk, as long as it is so. */
export async function adviceOn({ settings, messages, likelyProxy }: Services): Promise<readonly AdviceView[]> {
  await settings.fresh()
  const required = settings.describe().find(({ key }) => key === 'secondFactor.required')?.value
  const proxy = likelyProxy?.()
  return [
    ...(required === 'everyone' ? [] : [optional]),
    ...(messages.sendsMail ? [] : [noMail]),
    ...(proxy === undefined ? [] : [notTrusted(proxy)]),
  ]
}

const optional: AdviceView = {
  code: 'second-factor.optional',
  sentence:
    'A second factor is asked only of people who have set one up: for everybody else the password alone opens everything.',
  todo: 'Set secondFactor.required to everyone, in the settings or in the file.',
}

const noMail: AdviceView = {
  code: 'mail.missing',
  sentence: 'No mail is configured: nobody is told of changes to their account, and no codes and links go by mail.',
  todo: 'Say in the file how mail is sent, as in mail: { use: smtp, … }.',
}

function notTrusted(address: string): AdviceView {
  return {
    code: 'proxy.not-trusted',
    sentence: `Requests from ${address} say for whom they are, and are not believed. If that is your proxy, everybody behind it counts as one client, and the wrong passwords of one make all wait.`,
    todo: `Add ${address} to trustedProxies in the file, if it is a proxy of yours.`,
  }
}
