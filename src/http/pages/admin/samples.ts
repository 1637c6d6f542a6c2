/** Data for every page of the desk, in every turn it can take. */
export function adminSamples(always: object): ReadonlyArray<readonly [name: string, data: object]> {
  const words = '21 November 2026 at 21:40 UTC'
  const time = { said: words, isRelative: false, words, iso: '2026-11-21T21:40:00.000Z' }
  const lately = { ...time, said: '2 minutes ago', isRelative: true }
  const places = [
    { name: '', places: [{ path: '/admin', name: 'Overview', isHere: false }] },
    { name: 'People', places: [{ path: '/admin/users', name: 'Users', isHere: true }] },
  ]
  const base = {
    ...always,
    places,
    hereName: 'Users',
    isOwner: true,
    approvals: false,
    me: 'olga',
    said: undefined,
    back: '/',
    here: '/',
  }
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
  const columns = [
    { title: 'User', address: '/', sorted: 'ascending' },
    { title: 'Role', address: '/' },
  ]
  const users = {
    ...base,
    columns,
    isSortable: true,
    users: [listed],
    isFiltered: false,
    first: undefined,
    next: undefined,
  }
  const entry = {
    before: '',
    name: 'ada',
    after: ' signed in with the password',
    isTheirs: true,
    id: 'a',
    browser: 'Firefox on Linux',
    address: '192.0.2.1',
    when: lately,
    json: '{\n  "event": "session.opened"\n}',
  }
  const stopped = {
    before: 'The role of ',
    name: 'ada',
    after: ' was changed by sam',
    state: 'refused',
    when: time,
    json: '{}',
  }
  const user = {
    ...base,
    ...listed,
    isSelf: false,
    isChangeable: true,
    mayHelp: true,
    locks: [],
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
    locks: [{ kind: 'password' }, { kind: 'second-factor', wait: '14 minutes' }],
    factors: [{ name: 'Phone', label: 'Authenticator app', since: time, used: lately }],
    sessions: [{ browser: 'Firefox on Linux', address: '192.0.2.1', via: 'password, totp', since: time, hosts: [] }],
    tokens: [{ id: 'abc', name: 'report', admin: true }],
    entries: [entry, { ...stopped, why: 'they may not do that' }],
  }
  const setting = { key: 'session.duration', text: '90d', typed: '90d', fileText: '90d', origin: 'yaml', locked: false }
  const network = { range: '10.0.0.0/8 2001:db8::/32', access: '', secondFactor: 'required' }
  const networks = { ...setting, key: 'networks', rows: [network], now: [network] }
  const settings = {
    ...base,
    settings: [setting, { ...networks, origin: 'store', changedBy: 'olga', when: time, locked: true }],
    preview: undefined,
  }
  const preview = { key: 'session.duration', value: '1h', what: 'open sessions', looked: 3, affected: 2, isMore: true }
  const bars = [{ x: 1, y: 20, width: 8, height: 40, title: '21:00: 4' }]
  const periods = ['day', 'week', 'month'].map((name) => ({ name, address: '/' }))
  const nothing = { signIns: [], wrong: [], rules: [] }
  const rows = [{ words: 'The password', count: 4, before: 3, share: 100 }]
  const noFactors = {
    users: 0,
    withFactor: 0,
    percent: 0,
    isPart: false,
    bars: [],
    days: [],
    methods: [],
    missing: [],
    missingCount: 0,
  }
  const channel = { sent: 3, compared: 'as many as in the week before', bars }
  const messages = { days: [{ day: '2026-11-21', sms: 3, email: 1 }], sms: channel, email: channel }
  const day = {
    ...base,
    advice: [{ code: 'mail.missing', sentence: 'No mail is configured.', todo: 'Say in the file how mail is sent.' }],
    first: undefined,
    charts: ['signIns', 'refusals', 'codes', 'locks'].map((what) => ({
      what,
      total: 4,
      compared: '1 more than in the week before',
      bars,
    })),
    period: 'day',
    longer: 'week',
    periods,
    ...nothing,
    factors: noFactors,
    messages,
    slots: [{ name: '21:00', signIns: 4, refusals: 0, codes: 1, locks: 0 }],
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
  const again = {
    typed: { title: 'Hello', text: 'Good morning <b>', copies: 'ada@example.com bob' },
    faults: { copies: '"bob" is not one mail address.' },
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
    ['admin', { ...day, first: { add: '/', test: '/' } }],
    ['admin', { ...day, first: { add: '/', test: undefined } }],
    ['admin', { ...day, ...priced, isOwner: false }],
    [
      'admin',
      {
        ...day,
        ...priced,
        period: 'month',
        longer: 'month',
        signIns: rows,
        wrong: rows,
        rules: rows,
        messages: { ...messages, sms: { ...channel, cost: '€0.22', costBefore: '€0.10' } },
        factors: {
          users: 900,
          withFactor: 300,
          percent: 33,
          isPart: true,
          bars,
          days: [{ day: '2026-11-21', users: 900, withFactor: 300, percent: 33 }],
          methods: [{ words: 'Authenticator app', users: 300, added: 3, gone: 1 }],
          missing: [
            { name: 'ada', address: '/' },
            { name: 'ben', address: '/' },
          ],
          missingCount: 600,
        },
      },
    ],
    ['admin-find', { ...base, q: '', pages: [], users: [], more: undefined }],
    ['admin-find', { ...base, q: 'nobody', pages: [], users: [], more: undefined }],
    [
      'admin-find',
      {
        ...base,
        q: 'us',
        pages: [{ path: '/admin/users', name: 'Users', about: 'Sample.' }],
        users: [listed],
        more: '/',
      },
    ],
    ['admin-users', users],
    [
      'admin-users',
      { ...users, users: [], isFiltered: true, search: 'x', first: '/', next: '/', role: 'owner', exempt: true },
    ],
    [
      'admin-users',
      {
        ...users,
        ...support,
        isSortable: false,
        columns: [{ title: 'User', sorted: 'ascending' }, { title: 'Role' }],
        users: [{ ...listed, displayName: 'Ada Lovelace', role: 'owner', status: 'deactivated', required: true }],
      },
    ],
    ['admin-user-new', base],
    ['admin-user-new', { ...base, sendsMail: true }],
    [
      'admin-user-new',
      { ...base, typed: { username: 'ada', role: 'support' }, faults: {}, problem: 'The name is taken.' },
    ],
    ['admin-user', user],
    ['admin-user', { ...user, canMail: true }],
    ['admin-user', { ...user, invited: true }],
    ['admin-user', { ...user, invited: true, canMail: true }],
    ['admin-user', busy],
    ['admin-user', { ...busy, said: 'user.deactivate', status: 'deactivated', isSelf: true }],
    [
      'admin-user',
      {
        ...user,
        again: {
          operation: 'user.exempt',
          typed: { reason: 'x', networks: '10.0.0.1/8' },
          faults: { networks: 'This is no network.' },
          problem: undefined,
        },
        fault: true,
      },
    ],
    [
      'admin-user',
      {
        ...user,
        again: { operation: 'user.change', typed: { email: 'a' }, faults: {}, problem: 'Sample.' },
        fault: true,
      },
    ],
    ['admin-user', { ...user, ...support }],
    ['admin-user', { ...user, ...support, mayHelp: false }],
    ['admin-message', { ...base, id: 'a', email: 'ada@example.com' }],
    ['admin-message', { ...base, id: 'a' }],
    ['admin-message', { ...base, id: 'a', email: 'ada@example.com', ...again }],
    ['admin-token', { ...base, id: 'a' }],
    ['admin-token', { ...base, id: 'a', typed: { admin: 'yes', name: 'x' }, faults: {}, problem: 'Sample.' }],
    ['admin-secret', { ...base, kind: 'recovery-code', secret: '9F3K-71ZQ-0A2B', until: '2026-11-21T22:40:00.000Z' }],
    ['admin-secret', { ...base, kind: 'invite-link', secret: 'https://login.example.com/.gatelodge/link/sample' }],
    ['admin-secret', { ...base, kind: 'token', secret: 'sample' }],
    [
      'admin-sure',
      { ...base, operation: 'user.deactivate', fields: { user: 'u' }, whom: 'ben', consequence: 'Sample.', back: '/' },
    ],
    ['admin-refused', { ...base, sentence: 'Sample.', isAllowed: true }],
    ['admin-refused', { ...base, sentence: 'Sample.', isAllowed: false }],
    ['admin-clear', { ...base, count: 1, isMore: false }],
    ['admin-clear', { ...base, count: 2000, isMore: true, said: 'session.clear' }],
    ['admin-settings', settings],
    ['admin-settings', { ...settings, settings: [{ ...networks, rows: undefined, typed: '[]' }] }],
    [
      'admin-settings',
      {
        ...settings,
        fault: true,
        unknown: 'There is no such setting.',
        settings: [
          { ...setting, key: 'secondFactor.required', text: 'everyone', typed: 'when-enabled', origin: 'default' },
          { ...setting, typed: '12 hours', problem: 'It is no duration.' },
          { ...networks, problem: 'This would lock you out.' },
        ],
      },
    ],
    [
      'admin-settings',
      { ...settings, preview: { ...preview, key: 'networks', value: '[]', rows: [network], examples: [] } },
    ],
    ['admin-settings', { ...settings, preview: { ...preview, examples: ['ada'] } }],
    ['admin-settings', { ...settings, preview: { ...preview, affected: 0, isMore: false, examples: [] } }],
    ['admin-sites', { ...base, sites: [site] }],
    ['admin-sites', { ...support, sites: [site], url: 'http://localhost/', lines: ['allow: sample', 'by line 3'] }],
    ['admin-sending', { ...base, sending: day.sending }],
    ['admin-sending', { ...base, sending: day.sending, sendsMail: true, sendsSms: true }],
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
    ['admin-audit', { ...audit, first: '/', next: '/' }],
    [
      'admin-audit',
      {
        ...audit,
        who: 'ada',
        event: 'admin.*',
        next: '/',
        entries: [entry, stopped],
      },
    ],
  ]
}
