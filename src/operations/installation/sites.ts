import { z } from 'zod'
import { parseAddress } from '../../access/client-address.js'
import { defineOperation, refuse } from '../operation.js'
import { userName } from '../users/view.js'
import { siteView } from './site-view.js'

export const listSites = defineOperation({
  name: 'site.list',
  summary: 'sites and their rules, as the file has them',
  may: 'support',
  input: z.strictObject({}),
  output: z.object({ items: z.array(siteView) }),
  doors: {
    page: '/sites',
    api: 'GET /sites',
    commandLine: { none: 'On the machine there is the file itself, and `check` for what is wrong with it.' },
  },
  run: async ({ services }) => ({ items: [...(services.sites ?? [])] }),
})

export const explainRequest = defineOperation({
  name: 'site.explain',
  summary: 'what becomes of a request, by which rule, and what is missing',
  may: 'support',
  input: z.strictObject({
    method: z
      .string()
      .regex(/^[A-Z]{1,20}$/, 'A method is a word in capitals, as in GET.')
      .default('GET'),
    url: z.string().min(1).max(4096).describe('A whole address, as in https://crm.example.com/orders.'),
    address: z.string().max(64).optional().describe('Where the client is.'),
    user: userName.optional().describe('Who it is; left out: nobody who is signed in.'),
    secondFactor: z
      .boolean()
      .default(false)
      .describe('Whether that user has given both factors, or the password alone.'),
  }),
  output: z.object({ lines: z.array(z.string()) }),
  doors: { page: '/sites', api: 'GET /explain', commandLine: 'explain' },
  async run(context) {
    const { services, input } = context
    const { method, url, address, user, secondFactor } = input
    if (services.explain === undefined) return refuse('There is no gate here that could be asked.')
    if (!URL.canParse(url)) return refuse('This is no address, as in https://crm.example.com/orders.')
    const from = address === undefined ? undefined : parseAddress(address)
    if (address !== undefined && from === undefined) return refuse(`"${address}" is no address.`)
    const { host, pathname, search } = new URL(url)
    const who = user === undefined ? undefined : { ...context.known, secondFactor }
    const request = { method, host, target: pathname + search, address: from?.text }
    return { lines: [...(await services.explain({ ...request, ...(who === undefined ? {} : { who }) }))] }
  },
})
