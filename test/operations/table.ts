/** Who may do what: written down a second time on purpose, so that no right changes by accident. */
export const table: Readonly<Record<string, Row>> = {
  'user.list': looks('support'),
  'user.show': looks('support'),
  'user.activity': looks('support'),
  'user.add': changes('owner', { fresh: true }),
  'user.deactivate': changes('owner', { fresh: true, notSelf: true }),
  'user.activate': changes('owner', { fresh: true }),
  'user.role': changes('owner', { fresh: true, notSelf: true }),
  'user.change': changes('owner', { fresh: true, notSelf: true }),
  'user.require': changes('owner', { fresh: true }),
  'user.exempt': changes('owner', { fresh: true, notSelf: true }),
  'user.end-exemption': changes('owner', { fresh: true }),
  'user.addresses': changes('owner', { fresh: true, notSelf: true }),
  'user.methods': changes('owner', { fresh: true }),
  'user.recovery-code': changes('support', { fresh: true, notSelf: true }),
  'user.login-link': changes('support', { notSelf: true }),
  'user.invite-link': changes('owner', { fresh: true, notSelf: true }),
  'user.message': changes('support'),
  'user.reset-second-factor': changes('support', { fresh: true, notSelf: true }),
  'session.list': looks('support'),
  'session.end': changes('support'),
  'session.clear': changes('owner', { fresh: true }),
  'token.list': looks('owner'),
  'token.issue': changes('owner', { fresh: true }),
  'token.revoke': changes('owner'),
  'owner-link': changes('owner'),
  'setup-link': changes('owner'),
  'settings.show': looks('owner'),
  'settings.preview': looks('owner'),
  'settings.set': changes('owner', { fresh: true }),
  'settings.unset': changes('owner', { fresh: true }),
  'audit.search': looks('owner'),
  'day.show': looks('support'),
  'lock.list': looks('support'),
  'sending.show': looks('support'),
  'site.list': looks('support'),
  'site.explain': looks('support'),
  'sending.test': changes('owner'),
  'lock.end-network': changes('support', { fresh: true }),
  'lock.end': changes('support', { fresh: true, notSelf: true }),
  'user.approvals': looks('support'),
  'user.approve': changes('owner', { fresh: true, notSelf: true }),
  'user.refuse': changes('owner', { fresh: true }),
  'users.import': changes('owner', { fresh: true }),
  'users.export': changes('owner', { fresh: true }),
  'store.backup': changes('owner', { fresh: true }),
}

export interface Row {
  readonly may: 'support' | 'owner'
  readonly changes: boolean
  readonly fresh: boolean
  readonly notSelf: boolean
}

/** Input for each operation, about this user where it is about one. */
export function samples(user: string): Readonly<Record<string, object>> {
  return {
    'user.list': {},
    'user.show': { user },
    'user.activity': { user },
    'user.add': { username: `new-${user}` },
    'user.deactivate': { user },
    'user.activate': { user },
    'user.role': { user, role: 'support' },
    'user.change': { user, displayName: `Somebody ${Math.random()}` },
    'user.require': { user, required: true },
    'user.exempt': { user, reason: 'a phone in the sea' },
    'user.end-exemption': { user },
    'user.addresses': { user, addresses: [] },
    'user.methods': { user, off: ['totp'] },
    'user.recovery-code': { user },
    'user.login-link': { user },
    'user.invite-link': { user },
    'user.message': { user, title: 'Hello', text: 'Good morning.' },
    'user.reset-second-factor': { user },
    'session.list': {},
    'session.end': { user },
    'session.clear': { group: 'nobody is in it' },
    'token.list': {},
    'token.issue': { user, name: 'reports' },
    'token.revoke': { id: 'there-is-none' },
    'owner-link': { name: 'olga' },
    'setup-link': {},
    'settings.show': {},
    'settings.preview': { key: 'session.duration', value: '90d' },
    'settings.set': { key: 'session.duration', value: '80d' },
    'settings.unset': { key: 'session.duration' },
    'audit.search': {},
    'day.show': {},
    'lock.list': {},
    'lock.end': { user },
    'lock.end-network': { network: '192.0.2.77' },
    'sending.show': {},
    'site.list': {},
    'site.explain': { url: 'http://localhost/', user },
    'sending.test': { channel: 'email' },
    'user.approvals': {},
    'user.approve': { user },
    'user.refuse': { user },
    'users.import': { file: `username\nlike-${user}\n`, format: 'csv' },
    'users.export': {},
    'store.backup': {},
  }
}

function looks(may: Row['may']): Row {
  return { may, changes: false, fresh: false, notSelf: false }
}

function changes(may: Row['may'], more: Partial<Row> = {}): Row {
  return { may, changes: true, fresh: false, notSelf: false, ...more }
}
