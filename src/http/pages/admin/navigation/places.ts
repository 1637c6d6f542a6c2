/** A page of the desk that can be gone to from anywhere. */
export interface DeskPlace {
  /** Under the prefix, as in `/admin/users`. */
  readonly path: string
  readonly name: string
  /** What it is for, in a sentence: what a search for a page looks at, with the name. */
  readonly about: string
  /** Owners alone have it. */
  readonly forOwners?: true
}

/** A heading of the navigation and what is under it. */
export interface PlaceGroup {
  /** Empty for the first page, which is under none. */
  readonly name: string
  readonly places: readonly DeskPlace[]
}

const overview: DeskPlace = {
  path: '/admin',
  name: 'Overview',
  about:
    'Sign-ins, refusals, second factors, messages and cost in numbers, and the health of everything that is needed.',
}

const users: DeskPlace = {
  path: '/admin/users',
  name: 'Users',
  about: 'Everybody, by name, role, status, second factor and exemption.',
}

const approvals: DeskPlace = {
  path: '/admin/approvals',
  name: 'Approvals',
  about: 'Second factors that wait for an owner.',
}

const groups: readonly PlaceGroup[] = [
  { name: '', places: [overview] },
  {
    name: 'People',
    places: [
      users,
      approvals,
      {
        path: '/admin/locks',
        name: 'Locks',
        about: 'Users and networks that are locked after too many wrong codes or passwords: unlock them.',
      },
      {
        path: '/admin/sessions/clear',
        name: 'Sessions',
        about: 'Sign everybody out, or some: clear sessions, remembered devices and application tokens.',
        forOwners: true,
      },
    ],
  },
  {
    name: 'Policy',
    places: [
      {
        path: '/admin/settings',
        name: 'Settings',
        about: 'Who needs a second factor, networks, session duration and idle time.',
        forOwners: true,
      },
    ],
  },
  {
    name: 'Applications',
    places: [
      {
        path: '/admin/sites',
        name: 'Sites and rules',
        about: 'What each application asks for, and why a request is let through or refused: explain.',
      },
    ],
  },
  {
    name: 'Messages',
    places: [
      {
        path: '/admin/sending',
        name: 'SMS and mail',
        about: 'Text messages and mails that were sent, their limits, what they cost, and a test message.',
      },
    ],
  },
  {
    name: 'Record',
    places: [{ path: '/admin/audit', name: 'Audit', about: 'What happened, by whom and from where.', forOwners: true }],
  },
  {
    name: 'Installation',
    places: [
      {
        path: '/admin/data',
        name: 'Import, export, backup',
        about: 'Users from a file and into one (CSV, JSON), and a copy of the store.',
        forOwners: true,
      },
    ],
  },
]

/** Pages that are in no navigation, since another one leads to them, and that a search finds. */
const others: readonly DeskPlace[] = [
  { path: '/admin/users/new', name: 'Add a user', about: 'Invite somebody new.', forOwners: true },
]

const account: PlaceGroup = {
  name: 'You',
  places: [{ path: '/account', name: 'Your account', about: 'Your own password, second factor and sessions.' }],
}

/** Who looks. */
interface Reader {
  readonly isOwner: boolean
  /** Whether second factors wait for an owner in this installation. */
  readonly hasApprovals: boolean
}

/** The navigation of the desk: what this reader may open, by what it is about. */
export function placesFor(reader: Reader): readonly PlaceGroup[] {
  return [...groups, account]
    .map(({ name, places }) => ({ name, places: places.filter((place) => isFor(place, reader)) }))
    .filter(({ places }) => places.length > 0)
}

/** Pages whose name or purpose has every word that was typed. */
export function findPlaces(typed: string, reader: Reader): readonly DeskPlace[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return []
  const all = [...placesFor(reader).flatMap(({ places }) => places), ...others.filter((place) => isFor(place, reader))]
  return all.filter(({ name, about }) => {
    const text = `${name} ${about}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
}

function isFor(place: DeskPlace, { isOwner, hasApprovals }: Reader): boolean {
  return (isOwner || place.forOwners !== true) && (hasApprovals || place !== approvals)
}
