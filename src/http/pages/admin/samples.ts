/** Data for every page of the desk, in every turn it can take. */
export function adminSamples(always: object): ReadonlyArray<readonly [name: string, data: object]> {
  const time = { words: '21 November 2026 at 21:40 UTC', iso: '2026-11-21T21:40:00.000Z' }
  const base = { ...always, isOwner: true, approvals: false, me: 'olga', said: undefined, back: '/', here: '/' }
  const support = { ...base, isOwner: false }
  const listed = {
    id: 'a',
    username: 'ada',
    address: '/',
    role: 'user',
    status: 'active',
    email: 'ada@example.com',
    secondFactors: ['totp'],
    required: false,
    methodsOff: [],
    groups: [],
  }
  const users = { ...base, users: [listed], isFiltered: false, next: undefined, search: undefined }
  const entry = { event: 'session.opened', outcome: 'success', when: time, username: 'ada', address: '192.0.2.1' }
  const user = {
    ...base,
    ...listed,
    isSelf: false,
    isChangeable: true,
    mayHelp: true,
    factors: [],
    methods: [{ use: 'sms', label: 'Text message', isOff: false }],
    sessions: [],
    tokens: [],
    entries: [],
  }
  const busy = {
    ...user,
    displayName: 'Ada Lovelace',
    mobile: '+15550100',
    groups: ['staff'],
    required: true,
    exemption: { reason: 'A screen reader', networks: ['10.0.0.0/8'], sites: ['crm.example.com'] },
    exemptUntil: time,
    addresses: ['10.0.0.0/8'],
    methods: [{ use: 'sms', label: 'Text message', isOff: true }],
    backupCodesLeft: 3,
    awaitingLabel: 'Authenticator app',
    factors: [{ name: 'Phone', label: 'Authenticator app', since: time }],
    sessions: [{ browser: 'Firefox on Linux', address: '192.0.2.1', via: 'password, totp', since: time }],
    tokens: [{ id: 'abc', name: 'report', admin: true }],
    entries: [{ ...entry, by: 'olga', reason: 'denied' }],
  }
  const setting = { key: 'session.duration', text: '90d', fileText: '90d', origin: 'yaml', locked: false }
  const settings = {
    ...base,
    settings: [setting, { ...setting, key: 'networks', origin: 'store', changedBy: 'olga', when: time, locked: true }],
    preview: undefined,
  }
  const preview = { key: 'session.duration', value: '1h', what: 'open sessions', looked: 3, affected: 2, isMore: true }
  const bars = [{ x: 1, y: 20, height: 40 }]
  const day = {
    ...base,
    charts: ['signIns', 'refusals', 'codes', 'locks'].map((what) => ({ what, total: 4, bars })),
    hours: [{ hour: '21:00', signIns: 4, refusals: 0, codes: 1, locks: 0 }],
    sending: { sms: { sent: 3, perDay: 500 }, email: { sent: 1, perDay: 5000 } },
    dependencies: [
      { label: 'The store', isUp: true, isAsked: true },
      {
        label: 'The user directory ldap',
        isUp: false,
        isAsked: true,
        since: time,
        failed: time,
        reason: 'ECONNREFUSED',
      },
      {
        label: 'The application at crm.example.com',
        isUp: true,
        isAsked: true,
        since: time,
        failed: time,
        worked: time,
      },
      {
        label: 'Codes by text message',
        isUp: false,
        since: time,
        failed: time,
        reason: 'HTTP status 503',
        nextTry: time,
      },
      { label: 'Codes by e-mail', isUp: true, isIdle: true },
      { label: 'The mail server', isUp: true, worked: time },
      { label: 'Mails to owners', isUp: true },
    ],
  }
  const priced = {
    spent: '€0.2251',
    sending: { sms: { ...day.sending.sms, cost: '€0.2251' }, email: { ...day.sending.email, cost: '€0.00' } },
  }
  const rule = { path: '/api/**', access: 'password', line: 3, methods: ['GET'], clients: 'api' }
  const site = { host: 'crm.example.com', path: '/', upstream: 'http://127.0.0.1:1', line: 2, rules: [rule] }
  const data = { ...base, formats: ['csv'], mostUsers: 5000, canList: true, canCopy: true, imported: undefined }
  const report = { ...base, added: 2, thereAlready: 1, wrong: 0, problems: [], file: 'username\nada', format: 'csv' }
  const waits = { id: 'a', username: 'ada', label: 'Authenticator app', since: time, address: '/' }
  const waiting = [waits, { ...waits, username: 'olga', isSelf: true }]
  const problems = [{ line: 3, sentence: 'The name "ANN" stands in line 2 already.' }]
  const audit = { ...base, entries: [], next: undefined, exportAddress: '/' }
  return [
    ['admin', day],
    ['admin', { ...day, ...priced, isOwner: false }],
    ['admin-users', users],
    ['admin-users', { ...users, users: [], isFiltered: true, search: 'x', next: '/', role: 'owner', exempt: true }],
    [
      'admin-users',
      {
        ...users,
        ...support,
        users: [{ ...listed, displayName: 'Ada Lovelace', role: 'owner', status: 'deactivated', required: true }],
      },
    ],
    ['admin-user-new', base],
    ['admin-user', user],
    ['admin-user', busy],
    ['admin-user', { ...busy, said: 'proven', status: 'deactivated', isSelf: true }],
    ['admin-user', { ...user, ...support }],
    ['admin-user', { ...user, ...support, mayHelp: false }],
    ['admin-message', { ...base, id: 'a', email: 'ada@example.com' }],
    ['admin-message', { ...base, id: 'a' }],
    ['admin-token', { ...base, id: 'a' }],
    ['admin-secret', { ...base, kind: 'recovery-code', secret: '9F3K-71ZQ-0A2B', until: '2026-11-21T22:40:00.000Z' }],
    ['admin-secret', { ...base, kind: 'token', secret: 'sample' }],
    ['admin-refused', { ...base, sentence: 'Sample.', isAllowed: true }],
    ['admin-refused', { ...base, sentence: 'Sample.', isAllowed: false }],
    ['admin-clear', { ...base, count: 1, isMore: false }],
    ['admin-clear', { ...base, count: 2000, isMore: true, said: 'session.clear' }],
    ['admin-settings', settings],
    ['admin-settings', { ...settings, preview: { ...preview, examples: ['ada'] } }],
    ['admin-settings', { ...settings, preview: { ...preview, affected: 0, isMore: false, examples: [] } }],
    ['admin-sites', { ...base, sites: [site] }],
    ['admin-sites', { ...support, sites: [site], url: 'http://localhost/', lines: ['allow: sample', 'by line 3'] }],
    ['admin-sending', { ...base, sending: day.sending }],
    ['admin-sending', { ...support, ...priced }],
    ['admin-locks', { ...base, locks: [] }],
    [
      'admin-locks',
      {
        ...base,
        locks: [
          { kind: 'second-factor', id: 'a', username: 'ada', wait: '14 minutes', address: '/' },
          { kind: 'password', id: 'a', username: 'ada', wait: 'a second', address: '/' },
          { kind: 'network', network: '2001:db8:1234:5678::/64', wait: '50 seconds' },
        ],
      },
    ],
    ['admin-approvals', { ...base, waiting: [] }],
    ['admin-approvals', { ...base, approvals: true, waiting: [] }],
    ['admin-approvals', { ...base, approvals: true, waiting }],
    ['admin-approvals', { ...support, approvals: true, waiting }],
    ['admin-data', data],
    ['admin-data', { ...data, imported: { added: '2', there: '1' } }],
    ['admin-data', { ...data, canList: false, canCopy: false }],
    ['admin-import', report],
    ['admin-import', { ...report, added: 1, wrong: 1, problems }],
    ['admin-import', { ...report, added: 0, wrong: 1200, problems }],
    ['admin-audit', audit],
    [
      'admin-audit',
      {
        ...audit,
        who: 'ada',
        event: 'admin.*',
        next: '/',
        entries: [{ ...entry, by: 'olga', details: '{"door":"page"}' }],
      },
    ],
  ]
}
