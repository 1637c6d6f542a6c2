import { z } from 'zod'

/** What operations that list take. */
export const paging = {
  after: z.string().max(1024).optional().describe('Where the page before ended: its `next`.'),
  limit: z.int().min(1).max(100).default(50).describe('How many at most.'),
}

/** What they give: `next` is there while there may be more. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    next: z.string().optional().describe('For `after`; left out when this is the last page.'),
  })
}

/** Positions are handed out in a form that nobody is tempted to read or make up. */
export function cursor(key: string): string {
  return Buffer.from(key).toString('base64url')
}

/** What {@link cursor} was made from; whatever else it was given leads somewhere harmless. */
export function position(after: string | undefined): string | undefined {
  return after === undefined ? undefined : Buffer.from(after, 'base64url').toString()
}
