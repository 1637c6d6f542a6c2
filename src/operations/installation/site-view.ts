import { z } from 'zod'

export const rule = z.object({
  path: z.string(),
  access: z.string(),
  line: z.int().describe('Of the file.'),
  methods: z.array(z.string()).optional(),
  from: z.array(z.string()).optional(),
  groups: z.array(z.string()).optional(),
  users: z.array(z.string()).optional(),
  clients: z.string().optional(),
})

export const siteView = z.object({
  host: z.string().optional().describe('Left out: any host.'),
  path: z.string(),
  upstream: z.string(),
  line: z.int(),
  rules: z.array(rule).describe('The first that fits decides; `signed-in` where none does.'),
})

export type SiteView = z.output<typeof siteView>
