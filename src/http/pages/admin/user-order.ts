import { foldUsername } from '../../../contracts.js'
import type { UserView } from '../../../operations/users/view.js'
import type { Visit } from '../visit.js'

/** The head of one column: what sorts by it, where it can be sorted. */
export interface UserColumn {
  readonly title: string
  readonly address?: string
  readonly sorted?: 'ascending' | 'descending'
}

const orders = {
  name: { title: 'User', by: ({ username }: UserView) => foldUsername(username) },
  role: { title: 'Role', by: ({ role }: UserView) => role },
  status: { title: 'Status', by: ({ status, invited }: UserView) => (invited ? 'invited' : status) },
  factor: { title: 'Second factor', by: ({ secondFactors }: UserView) => secondFactors.join() },
} as const

type Order = keyof typeof orders

/** Where there are more than one page shows, they come in the one order the directory has. */
export const unsorted: readonly UserColumn[] = Object.entries(orders).map(([name, { title }]) => ({
  title,
  ...(name === 'name' ? { sorted: 'ascending' as const } : {}),
}))

/** Users in the order the address asks for (`sort=role`, `sort=-role`), and the heads that lead to the others. */
export function inOrder(
  visit: Visit,
  found: readonly UserView[],
  given: Readonly<Record<string, unknown>>,
): { readonly users: readonly UserView[]; readonly columns: readonly UserColumn[] } {
  const asked = visit.parameter('sort')
  const isDown = asked.startsWith('-')
  const word = asked.replace(/^-/, '')
  const wanted: Order = Object.hasOwn(orders, word) ? (word as Order) : 'name'
  const { by } = orders[wanted]
  const sign = isDown ? -1 : 1
  const users = [...found].sort((a, b) => sign * compare(by(a), by(b)) || compare(orders.name.by(a), orders.name.by(b)))
  const columns = Object.entries(orders).map(([name, { title }]): UserColumn => {
    const query = new URLSearchParams()
    for (const [key, value] of Object.entries(given)) query.set(key, value === true ? 'yes' : String(value))
    query.set('sort', name === wanted && !isDown ? `-${name}` : name)
    const sorted = isDown ? ('descending' as const) : ('ascending' as const)
    return { title, address: `${visit.own('/admin/users')}?${query}`, ...(name === wanted ? { sorted } : {}) }
  })
  return { users, columns }
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
