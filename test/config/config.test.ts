import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import { parse } from 'yaml'
import { check } from '../../src/cli/commands/check.js'
import { schema } from '../../src/cli/commands/schema.js'
import { configSchema } from '../../src/config/json-schema.js'
import { loadConfig } from '../../src/config/load-config.js'
import { distance, nearest } from '../../src/config/nearest.js'
import { formatProblem } from '../../src/config/problem.js'
import { parseDuration } from '../../src/config/scalars.js'
import { type Config, settingsSchema } from '../../src/config/schema.js'
import { warningsAbout } from '../../src/config/warnings.js'
import { checkConfig } from '../../src/plugin-host/check-config.js'
import { ownPlugins } from '../../src/plugin-host/find-plugin.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const directory = t.testdir({ 'secret.txt': 's3cr3t-from-file\n', templates: {}, 'not-pem.txt': 'x' })
const file = join(directory, 'gatelodge.yaml')

function load(text: string | Uint8Array, env: NodeJS.ProcessEnv = {}): ReturnType<typeof loadConfig> {
  writeFileSync(file, text)
  return loadConfig(file, env)
}

function configOf(text: string, env: NodeJS.ProcessEnv = {}): Config {
  const loaded = load(text, env)
  if ('config' in loaded) return loaded.config
  throw new Error(loaded.problems.map(formatProblem).join('\n'))
}

/** Everything that is printed, with the directory left out. */
function complaintsOf(text: string | Uint8Array, env: NodeJS.ProcessEnv = {}): string {
  const loaded = load(text, env)
  if ('config' in loaded) return ''
  return loaded.problems.map(formatProblem).join('\n').replaceAll(`${directory}/`, '')
}

const everyKey = Object.keys(settingsSchema.shape).join(', ')

const site = 'sites: [{ upstream: "http://127.0.0.1:3000" }]'

/** A site with these lines of rules. */
const withRules = (...rules: string[]) =>
  ['sites:', '  - upstream: http://127.0.0.1:3000', '    rules:', ...rules.map((rule) => `      - { ${rule} }`)].join(
    '\n',
  )

const designExample = `listen: 127.0.0.1:8080
publicUrl: https://crm.example.com          # links in mail start here, never with the Host a client sent
trustedProxies: [10.0.0.1/32]               # whose X-Forwarded-For counts; empty by default
sites:
  - host: crm.example.com                   # none: any host
    upstream: http://127.0.0.1:3000
    identity: remote-user                   # header preset
    rules:                                  # first match wins
      - { path: /assets/**, access: public }
      - { path: /api/**, methods: [GET, POST], from: [203.0.113.0/24], access: password, clients: api }
      - { path: /admin/**, access: second-factor, groups: [staff] }
networks:                                   # first match wins, decided on every request
  - { range: [198.51.100.7/32], access: deny }
  - { range: [10.0.0.0/8, "fd00::/8"], secondFactor: not-required }
  - { range: [0.0.0.0/0, "::/0"], secondFactor: required }
secondFactor:
  required: when-enabled                    # or: everyone (the global switch)
  unenrolled: enrol                         # or: recovery-code (strict)
  methods:
    - { use: totp }
    - { use: sms, countries: [US, CA, GB, AU], transport: { use: twilio, accountSid: "\${SID}", authToken: "\${TOKEN}", from: "+15550100" } }
    - { use: email }
    - { use: magic-link }
session: { duration: 90d, idle: off, rememberDevice: 30d }
users: { use: local }
mail: { use: smtp, url: "smtp://mail.example.com:587", from: "Sign-in <no-reply@example.com>" }
store: { use: embedded, path: ./data }      # or { use: redis, url: "redis://..." }
`

t.test('the example of the plan is what the gateway works with', async (t) => {
  const config = configOf(designExample, { SID: 'AC1', TOKEN: 't0k3n' })
  t.match(config, {
    name: 'Gatelodge',
    listen: { host: '127.0.0.1', port: 8080 },
    publicUrl: 'https://crm.example.com',
    prefix: '/.gatelodge',
    trustedProxies: ['10.0.0.1/32'],
    session: { durationSeconds: 7_776_000, idleSeconds: undefined, rememberDeviceSeconds: 2_592_000 },
    secondFactor: { required: 'when-enabled', unenrolled: 'enrol', fallback: true },
    file,
    baseDirectory: directory,
  })
  t.match(config.sites, [
    { host: 'crm.example.com', path: '/', upstream: 'http://127.0.0.1:3000', identity: 'remote-user' },
  ])
  t.same(config.sites[0]?.rules, [
    { path: '/assets/**', access: 'public', line: 9 },
    {
      path: '/api/**',
      methods: ['GET', 'POST'],
      from: ['203.0.113.0/24'],
      access: 'password',
      clients: 'api',
      line: 10,
    },
    { path: '/admin/**', access: 'second-factor', groups: ['staff'], line: 11 },
  ])
  t.same(
    config.networks.map(({ line }) => line),
    [13, 14, 15],
  )
  t.same(config.secondFactor.methods[1], {
    use: 'sms',
    countries: ['US', 'CA', 'GB', 'AU'],
    transport: { use: 'twilio', accountSid: 'AC1', authToken: 't0k3n', from: '+15550100' },
  })
})

t.test('a configuration cannot be changed', async (t) => {
  const config = configOf(designExample, { SID: 'a', TOKEN: 'b' })
  const isFrozen = (value: unknown): boolean =>
    typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen))
  t.ok(isFrozen(config))
})

t.test('defaults stand in the schema', async (t) => {
  const config = configOf(site)
  t.match(config, {
    listen: { host: '127.0.0.1', port: 8080 },
    publicUrl: 'http://localhost:8080',
    users: { use: 'local' },
    store: { use: 'embedded' },
    networks: [],
    trustedProxies: [],
    secondFactor: { required: 'when-enabled', unenrolled: 'enrol', fallback: true, methods: [{ use: 'totp' }] },
    session: { durationSeconds: 90 * 86_400, rememberDeviceSeconds: 30 * 86_400 },
    sending: {
      waitSeconds: 60,
      accountPerHour: 5,
      accountPerDay: 10,
      numberPerHour: 3,
      networkPerHour: 20,
      linksPerHour: 3,
    },
    sites: [{ identity: 'remote-user', preserveHost: true, rules: [], path: '/' }],
  })
  t.equal('mail' in config, false)
})

t.test('all mistakes are said at once, in the order of the file, with the line and a caret', async (t) => {
  const text = `listen: 8080
secondFacter: { required: everyone }
sites:
  - host: crm.example.com
    upstream: http://127.0.0.1:3000/app
    identity: remote_usr
    rules:
      - { path: admin, access: pasword }
      - { path: /a/**, methods: [get], from: [10.0.0.1/8], acess: public }
session:
  duration: 90 days
  idle: "off"
  idle: 5m
`
  t.equal(
    complaintsOf(text),
    `gatelodge.yaml:1:9  listen: should be text, not a number; put it in quotes if it is text
  accepted: host:port, as in 127.0.0.1:8080, 0.0.0.0:8080 or "[::1]:8080"
  1 | listen: 8080
    |         ^^^^
gatelodge.yaml:2:1  secondFacter: is not a key that exists here
  accepted: ${everyKey}
  did you mean "secondFactor"?
  2 | secondFacter: { required: *** }
    | ^^^^^^^^^^^^
gatelodge.yaml:5:15  sites[0].upstream: goes on after the host and port
  accepted: a URL of scheme, host and port alone, as in http://127.0.0.1:3000 (paths go on as they came); or none, where another proxy asks by forward-auth
  5 |     upstream: http://127.0.0.1:3000/app
    |               ^^^^^^^^^^^^^^^^^^^^^^^^^
gatelodge.yaml:6:15  sites[0].identity: "remote_usr" is not one of the words
  accepted: remote-user, x-forwarded-user, x-auth-request, none
  did you mean "remote-user"?
  6 |     identity: remote_usr
    |               ^^^^^^^^^^
gatelodge.yaml:8:17  sites[0].rules[0].path: a path starts with "/"
  accepted: a path; * stands for part of one segment, ** for any depth, as in /api/** or /img/*.png
  8 |       - { path: admin, access: pasword }
    |                 ^^^^^
gatelodge.yaml:8:32  sites[0].rules[0].access: "pasword" is not one of the words
  accepted: public, password, signed-in, second-factor, deny
  did you mean "password"?
  8 |       - { path: admin, access: pasword }
    |                                ^^^^^^^
gatelodge.yaml:9:34  sites[0].rules[1].methods[0]: "get" is not accepted
  accepted: a method in capitals, as in GET, POST or DELETE
  did you mean "GET"?
  9 |       - { path: /a/**, methods: [get], from: [10.0.0.1/8], acess: *** }
    |                                  ^^^
gatelodge.yaml:9:47  sites[0].rules[1].from[0]: the address has bits set behind its prefix: write 10.0.0.0/8
  accepted: an address or CIDR range, as in 203.0.113.7, 10.0.0.0/8 or "fd00::/8"
  9 |       - { path: /a/**, methods: [get], from: [10.0.0.1/8], acess: *** }
    |                                               ^^^^^^^^^^
gatelodge.yaml:9:60  sites[0].rules[1].acess: is not a key that exists here
  accepted: path, methods, from, access, clients, groups, users, preflight, proof, reauthenticate
  did you mean "access"?
  9 |       - { path: /a/**, methods: [get], from: [10.0.0.1/8], acess: *** }
    |                                                            ^^^^^
gatelodge.yaml:11:13  session.duration: is not a duration
  accepted: a whole number and a unit, as in 30s, 5m, 12h or 90d
  11 |   duration: 90 days
     |             ^^^^^^^
gatelodge.yaml:13:3  session.idle: is written twice; remove one
  13 |   idle: ***
     |   ^^^^`,
  )
})

/** What is refused: the text, and what the complaint must hold. */
const refused: ReadonlyArray<readonly [string, string, ...RegExp[]]> = [
  ['an empty file', '', /:1:1 {2}the file is empty/],
  ['a file of comments', '# nothing\n', /the file is empty/],
  ['a list at the top', '- a\n- b\n', /should be keys and values, not a list/],
  ['text at the top', 'hello', /should be keys and values, not text/],
  [
    'a duration without a unit',
    `${site}\nsession: { duration: 5 }`,
    /session\.duration: is 5 of what\? Write 5m, 5h or 5d/,
  ],
  ['the same in quotes', `${site}\nsession: { idle: "90" }`, /session\.idle: is 90 of what\? Write 90m, 90h or 90d/],
  [
    'a key in other letters, whose value is as harmless as under its name',
    `${site}\npublicURL: https://crm.example.com`,
    /did you mean "publicUrl"\?\n.*publicURL: https:\/\/crm\.example\.com/,
  ],
  ['such a key with a secret in it', `${site}\npublicURL: https://ann:hunter2@crm.example.com`, /publicURL: \*\*\*/],
  ['no site', 'listen: 127.0.0.1:1\n', /:1:1 {2}sites: is missing/],
  ['an empty list of sites', 'sites: []', /sites: has 0 entries; at least 1/],
  ['a key without a value', `sites:\nlisten: 127.0.0.1:1`, /sites: has no value/],
  ['a key twice', `${site}\n${site}`, /:2:1 {2}sites: is written twice/],
  [
    'a key twice in braces',
    'sites: [{ upstream: "http://a:1", upstream: "http://b:1" }]',
    /upstream: is written twice/,
  ],
  ['an anchor', `x: &a 1\n${site}`, /:1:4 {2}is an anchor/],
  ['an alias', `${site}\nname: *a`, /:2:7 {2}is an alias/],
  ['a tag', `${site}\nname: !!str 5`, /:2:7 {2}is a tag/],
  ['a tag of one’s own', `${site}\nname: !secret 5`, /:2:7 {2}is a tag/],
  ['a directive', `%YAML 1.1\n---\n${site}`, /:1:1 {2}is a directive/],
  ['two documents', `${site}\n---\n${site}`, /:2:1 {2}starts a second document/],
  ['two documents by dots', `${site}\n...\n${site}`, /starts a second document/],
  [
    'a key in the wrong place',
    `${site}\nrules: []`,
    /:2:1 {2}rules: is not a key that exists here; it belongs into sites\[\]/,
  ],
  ['a merge key', `${site}\n<<: { name: x }`, /something in it that is no key/],
  ['a key that is a list', `${site}\n[a, b]: 1`, /is not a plain key/],
  ['a tab as indentation', 'sites:\n\t- upstream: http://a:1', /:2:1 {2}is not YAML: is indented with a tab/],
  ['an open quote', `${site}\nname: "x`, /is not YAML: is not finished/],
  ['an open bracket', 'sites: [{ upstream: a', /is not YAML/],
  ['a second colon', `${site}\nname: a: b`, /:2:7 {2}is not YAML: has a second colon/],
  ['a bare reference in braces', 'users: { use: ${X} }', /\$\{…\} inside \{ \} or \[ \] in quotes/],
  ['__proto__', `${site}\n__proto__: { polluted: true }`, /:2:1 {2}__proto__: is not a key anything here can have/],
  ['constructor', `${site}\nconstructor: { prototype: { x: 1 } }`, /constructor: is not a key anything/],
  ['prototype', `${site}\nusers: { use: local, prototype: 1 }`, /users\.prototype: is not a key anything/],
  ['a key of Object', `${site}\ntoString: 1`, /toString: is not a key that exists here/],
  [
    'two sites at one place',
    'sites:\n  - upstream: http://a:1\n  - upstream: http://b:1',
    /:3:5 {2}sites\[1\]: has the same host and path as the site in line 2/,
  ],
  [
    'two sites at one place, in other words',
    'sites: [{ host: A.example, path: /x, upstream: "http://a:1" }, { host: a.example, path: /x/, upstream: "http://b:1" }]',
    /same host and path/,
  ],
  ['a host with a port', 'sites: [{ host: "a.example:80", upstream: "http://a:1" }]', /host: names a port/],
  ['a host with a scheme', 'sites: [{ host: "http://a.example", upstream: "http://a:1" }]', /host: is not a host name/],
  ['a host with a wildcard', 'sites: [{ host: "*.a.example", upstream: "http://a:1" }]', /host: has a wildcard/],
  ['an upstream that is no URL', 'sites: [{ upstream: "localhost:3000" }]', /upstream: is not an http or https URL/],
  ['an upstream of another scheme', 'sites: [{ upstream: "ftp://a" }]', /is not an http or https URL/],
  ['an upstream with a backslash', String.raw`sites: [{ upstream: 'http:\\a' }]`, /is not an http or https URL/],
  ['an upstream with a query', 'sites: [{ upstream: "http://a?" }]', /upstream: goes on after/],
  [
    'an upstream that is the gateway',
    'sites: [{ upstream: "http://localhost:8080" }]',
    /the gateway itself listens on/,
  ],
  [
    'a certificate for plain http',
    'sites: [{ upstream: "http://a:1", upstreamTls: { ca: x.pem } }]',
    /upstreamTls: is for https/,
  ],
  [
    'a certificate that is not there',
    'sites: [{ upstream: "https://a:1", upstreamTls: { ca: x.pem } }]',
    /ca: names a file that does not exist/,
  ],
  [
    'a certificate that is none',
    'sites: [{ upstream: "https://a:1", upstreamTls: { ca: not-pem.txt } }]',
    /ca: names a file that holds no readable/,
  ],
  ['templates that are not there', `${site}\ntemplates: ./nowhere`, /templates: names a directory that does not exist/],
  ['templates that are a file', `${site}\ntemplates: secret.txt`, /templates: is not a directory/],
  ['CIDR with host bits', `${site}\ntrustedProxies: [10.0.0.1/8]`, /trustedProxies\[0\]: .*write 10\.0\.0\.0\/8/],
  ['IPv6 with host bits', `${site}\ntrustedProxies: ["fd00::1/8"]`, /write fd00::\/8/],
  ['octal IPv4', `${site}\ntrustedProxies: ["010.0.0.1"]`, /trustedProxies\[0\]: an address range/],
  ['short IPv4', `${site}\ntrustedProxies: ["10.1/8"]`, /trustedProxies\[0\]: an address range/],
  ['hexadecimal IPv4', `${site}\ntrustedProxies: ["0x7f.0.0.1"]`, /trustedProxies\[0\]: an address range/],
  ['integer IPv4', `${site}\ntrustedProxies: ["2130706433"]`, /trustedProxies\[0\]: an address range/],
  ['a zone', `${site}\ntrustedProxies: ["fe80::1%eth0"]`, /trustedProxies\[0\]: an address range/],
  ['a prefix that is too long', `${site}\ntrustedProxies: [10.0.0.0/33]`, /trustedProxies\[0\]: the prefix/],
  [
    'a rule after one that takes all',
    withRules('path: /a/**, access: public', 'path: /a/b, access: password'),
    /:5:9 {2}sites\[0\]\.rules\[1\]: is never reached: the rule in line 4 \(\/a\/\*\*\)/,
  ],
  [
    'the same rule twice',
    withRules('path: /a, access: deny', 'path: /A, access: public'),
    /rules\[1\]: is never reached/,
  ],
  [
    'a rule for networks already taken',
    withRules('path: /a, from: [10.0.0.0/8], access: deny', 'path: /a, from: [10.1.0.0/16], access: deny'),
    /never reached/,
  ],
  [
    'a rule for methods already taken',
    withRules('path: /a, methods: [GET], access: public', 'path: /a, methods: [HEAD], access: password'),
    /never reached/,
  ],
  [
    'a rule outside of its site',
    'sites: [{ path: /crm, upstream: "http://a:1", rules: [{ path: /x/**, access: public }] }]',
    /lies outside of \/crm/,
    /as in \/crm\/x\/\*\*/,
  ],
  [
    'a rule under our own pages',
    withRules('path: /.gatelodge/x, access: public'),
    /under \/\.gatelodge are the gateway’s own pages/,
  ],
  ['a site under our own pages', 'sites: [{ path: /.gatelodge, upstream: "http://a:1" }]', /lies under \/\.gatelodge/],
  [
    'groups where nobody is asked',
    withRules('path: /a, access: public, groups: [staff]'),
    /groups: has no meaning beside access: public/,
  ],
  ['an escaped path', withRules('path: /a%20b, access: public'), /written decoded/],
  ['a path with dots', withRules('path: /a/../b, access: public'), /"\.\." segments/],
  [
    'a network already taken',
    `${site}\nnetworks:\n  - { range: [10.0.0.0/8], access: deny }\n  - { range: [10.1.0.0/16], secondFactor: required }`,
    /:4:5 {2}networks\[1\]: is never reached: the network in line 3/,
  ],
  [
    'a network that several before it have taken together',
    `${site}\nnetworks:\n  - { range: [10.0.0.0/9], access: deny }\n  - { range: [10.128.0.0/9], secondFactor: required }\n  - { range: [10.0.0.0/8], access: deny }`,
    /:5:5 {2}networks\[2\]: is never reached: the networks before it have all of it/,
  ],
  [
    'a network that another one shuts out by being allowed',
    `${site}\nnetworks:\n  - { range: [10.0.0.0/8], access: allow }\n  - { range: [0.0.0.0/0], secondFactor: required }`,
    /:4:5 {2}networks\[1\]: turns these clients away, because the entry in line 3 says access: allow/,
  ],
  [
    'a network of a site that says nothing',
    'sites: [{ upstream: "http://127.0.0.1:3000", networks: [{ range: [10.0.0.0/8] }] }]',
    /sites\[0\]\.networks\[0\]: says nothing/,
  ],
  [
    'a rule for clients that are denied before it',
    `${withRules('path: /a, from: [10.1.0.0/16], access: public')}\nnetworks:\n  - { range: [10.0.0.0/8], access: deny }`,
    /:4:9 {2}sites\[0\]\.rules\[0\]: is never reached: the network in line 6 denies all of these clients/,
  ],
  ['users where nobody is asked', withRules('path: /a, access: public, users: [ann]'), /users: has no meaning beside/],
  [
    'a later rule for other users',
    withRules('path: /a/**, access: password, users: [ann]', 'path: /a/b, access: password, users: [bob]'),
    /rules\[1\]: is never reached/,
  ],
  ['grace without an end', `${site}\nsecondFactor: { grace: {} }`, /secondFactor\.grace: says no end/],
  [
    'grace where recovery codes are the way in',
    `${site}\nsecondFactor: { unenrolled: recovery-code, grace: { days: 3 } }`,
    /secondFactor\.grace: has no meaning beside/,
  ],
  ['a network that says nothing', `${site}\nnetworks: [{ range: [10.0.0.0/8] }]`, /networks\[0\]: says nothing/],
  ['no public address for others', `listen: 0.0.0.0:8080\n${site}`, /:1:9 {2}publicUrl: is missing: others can reach/],
  [
    'http for others',
    `publicUrl: http://crm.example.com\n${site}`,
    /publicUrl: is http, where browsers would not keep/,
  ],
  ['a public address with a path', `publicUrl: https://crm.example.com/x\n${site}`, /publicUrl: goes on after/],
  [
    'a public address with a password',
    `publicUrl: https://a:b@crm.example.com\n${site}`,
    /publicUrl: carries a user name/,
  ],
  ['a port that is too high', `listen: 127.0.0.1:70000\n${site}`, /listen: is not an address/],
  ['an IPv6 listener without brackets', `listen: "::1:8080"\n${site}`, /listen: is not an address/],
  ['the root as prefix', `prefix: /\n${site}`, /prefix: is not a path of its own/],
  [
    'a method twice',
    `${site}\nsecondFactor: { methods: [{ use: totp }, { use: totp }] }`,
    /methods\[1\]\.use: is listed twice/,
  ],
  [
    'mail without a server',
    `${site}\nsecondFactor: { methods: [{ use: email }] }`,
    /sends mail, and the file does not say how/,
  ],
  ['a method without a name', `${site}\nsecondFactor: { methods: [{ digits: 6 }] }`, /methods\[0\]\.use: is missing/],
  ['a negative duration', `${site}\nsession: { duration: -5m }`, /duration: is not a duration/],
  ['a duration of nothing', `${site}\nsession: { duration: 0s }`, /duration: is not a duration/],
  ['off where it has to be on', `${site}\nsession: { duration: off }`, /duration: is not a duration/],
  ['an endless duration', `${site}\nsession: { duration: 99999999d }`, /duration: is not a duration/],
  ['a number out of range', `${site}\nsending: { accountPerHour: 0 }`, /accountPerHour: is out of range; at least 1/],
  ['half a message', `${site}\nsending: { smsPerDay: 1.5 }`, /smsPerDay: should be a whole number/],
  ['a missing variable', `${site}\nname: "\${NOWHERE}"`, /:2:7 {2}name: needs NOWHERE, which is not set/],
  ['a missing file', `${site}\nname: "\${file:./nowhere}"`, /name: names a file with \$\{file:…\} that does not exist/],
  ['a directory as file', `${site}\nname: "\${file:./templates}"`, /that is not a file/],
  ['an open reference', `${site}\nname: "\${NAME"`, /has a \$\{ without a \}/],
  ['an odd reference', `${site}\nname: "\${a-b}"`, /neither a name of the environment nor file/],
  ['a reference to what every object has', `${site}\nname: "\${constructor}"`, /needs constructor, which is not set/],
  ['a name of two lines', `${site}\nname: "a\\nb"`, /name: .*is not accepted/],
]

for (const [name, text, ...expected] of refused) {
  t.test(`${name} is refused`, async (t) => {
    const complaints = complaintsOf(text)
    for (const one of expected) t.match(complaints, one)
    t.match(complaints, /^gatelodge\.yaml:\d+:\d+ {2}/)
  })
}

t.test('each mistake is said once', async (t) => {
  t.equal(complaintsOf('sites: [{ upstraem: "http://a:1" }]').match(/^gatelodge/gm)?.length, 1)
  t.equal(complaintsOf(`${site}\nname: "\${NOWHERE}"`).match(/^gatelodge/gm)?.length, 1)
  t.equal(complaintsOf(`${site}\nname: !!str 5`).match(/^gatelodge/gm)?.length, 1)
})

t.test('files that are no text are refused', async (t) => {
  t.match(complaintsOf(Buffer.from([0x6e, 0xff, 0xfe])), /the file is not UTF-8 text/)
  t.match(complaintsOf(`#${'x'.repeat(1_048_576)}`), /the file is larger than 1 MiB/)
  t.same(loadConfig(join(directory, 'nowhere.yaml'), {}), {
    problems: [
      {
        file: join(directory, 'nowhere.yaml'),
        line: 1,
        column: 1,
        path: '',
        message: 'the file does not exist: gatelodge init writes one, --config names another',
      },
    ],
  })
  t.match(loadConfig(directory, {}), { problems: [{ message: 'this is a directory, not a file' }] })
  t.match(configOf(`\ufeff${site}`), { name: 'Gatelodge' }, 'a byte order mark is no mistake')
  t.match(configOf(`${site}\r\nname: Desk\r\n`), { name: 'Desk' }, 'nor are line ends of Windows')
})

t.test('what grows when it is read is refused before it is read', async (t) => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]']
  for (let level = 0; level < 30; level++)
    bomb.push(`b${level}: &b${level} [${Array(9).fill(`*${level === 0 ? 'a' : `b${level - 1}`}`)}]`)
  t.match(complaintsOf(bomb.join('\n')), /is an anchor/)
  t.match(complaintsOf(`x: ${'['.repeat(500_000)}`), /is nested too deeply/)
  t.match(complaintsOf(`x: ${'{a: '.repeat(200_000)}`), /is nested too deeply/)
  t.match(complaintsOf(`${'- '.repeat(500_000)}x`), /is nested too deeply/)
  t.match(complaintsOf(`${'? '.repeat(500_000)}x`), /is nested too deeply/)
  const stairs = Array.from({ length: 1_400 }, (_, level) => `${' '.repeat(level)}a:`).join('\n')
  t.match(complaintsOf(stairs), /is nested too deeply/)
})

t.test('a file of nothing but mistakes is answered with the first five hundred', async (t) => {
  const unknown = Array.from({ length: 5_000 }, (_, index) => `key${index}: 1`).join('\n')
  t.equal(complaintsOf(unknown).match(/^gatelodge/gm)?.length, 500)
  const flow = `sites: [${Array(2_000).fill('{ upstreem: 1 }')}]`
  t.equal(complaintsOf(flow).match(/^gatelodge/gm)?.length, 500)
})

t.test('nothing in a file reaches a prototype', async (t) => {
  for (const key of ['__proto__', 'constructor', 'prototype', '"__proto__"', "'constructor'", '"\\x5f_proto__"']) {
    for (const text of [
      `${key}: { polluted: 1 }\n${site}`,
      `${site}\nusers: { use: local, ${key}: { polluted: 1 } }`,
    ]) {
      t.match(complaintsOf(text), /is not a key anything here can have/, key)
    }
  }
  t.equal(Reflect.get({}, 'polluted'), undefined)
})

t.test('rules that overlap but do not cover each other stand', async (t) => {
  const rules = [
    ['path: /a/*, access: public', 'path: /a/**, access: password'],
    ['path: /a/**, methods: [POST], access: public', 'path: /a/**, access: password'],
    ['path: /a/**, from: [10.0.0.0/8], access: public', 'path: /a/**, access: password'],
    ['path: /a, access: public', 'path: /A, access: public'],
    ['path: /a, access: public', 'path: /a, access: deny'],
  ]
  for (const pair of rules) t.equal(complaintsOf(withRules(...pair)), '', pair.join(' | '))
})

t.test('values from outside are put in, and paths start at the file', async (t) => {
  const env = { HOST: '0.0.0.0', PORT: '8443', NAME: 'De${NAME}sk', EMPTY: '' }
  const config = configOf(
    `listen: "\${HOST}:\${PORT}"
publicUrl: https://crm.example.com/
name: "\${NAME}"
templates: templates
users: { use: local, a: "x\${file:secret.txt}y", b: "$\${NAME} \${EMPTY}|", list: ["\${PORT}"] }
sites: [{ upstream: "http://127.0.0.2:1\${PORT}", host: Bücher.example }]
`,
    env,
  )
  t.same(config.listen, { host: '0.0.0.0', port: 8443 })
  t.equal(config.publicUrl, 'https://crm.example.com')
  t.equal(config.name, 'De${NAME}sk', 'what was read is not read again for more')
  t.equal(config.templates, join(directory, 'templates'))
  t.same(config.users, { use: 'local', a: 'xs3cr3t-from-filey', b: '${NAME} |', list: ['8443'] })
  t.equal(config.sites[0]?.upstream, 'http://127.0.0.2:18443')
  t.equal(config.sites[0]?.host, 'xn--bcher-kva.example')
})

t.test('a file and its secrets may have been written on Windows', async (t) => {
  const endings = ['\n', '\r\n', ' \r\n', '\t\r\n\r\n', '']
  for (const [at, end] of endings.entries()) writeFileSync(join(directory, `windows${at}`), `\uFEFFs3cr3t${end}`)
  writeFileSync(join(directory, 'blank'), 's3cr3t ')
  const secrets = endings.map((_, at) => `"\${file:windows${at}}"`)
  const text = `\uFEFF${site}\nname: Desk \nusers: { use: local, list: [${secrets.join(', ')}, "\${file:blank}"] }\n`
  const config = configOf(text.replaceAll('\n', ' \r\n'))
  t.equal(config.name, 'Desk')
  t.same(
    config.users,
    { use: 'local', list: [...endings.map(() => 's3cr3t'), 's3cr3t '] },
    'a blank that no line end follows is meant',
  )
})

t.test('a public address may be left out where only this machine can connect', async (t) => {
  t.equal(configOf(`listen: "[::1]:9000"\n${site}`).publicUrl, 'http://localhost:9000')
  t.equal(configOf(`listen: localhost:0\n${site}`).publicUrl, 'http://localhost:0')
  t.equal(configOf(`publicUrl: http://crm.localhost:8080\n${site}`).publicUrl, 'http://crm.localhost:8080')
})

const canary = 'kAnArY1234'

t.test('no value that may be secret is ever printed', async (t) => {
  const places = [
    'mail: { use: smtp, password: VALUE, x: [ }',
    'mail: { use: smtp, pasword: VALUE }\nlisten: 1',
    'mail: { use: 5, auth: { user: a, pass: VALUE } }',
    'mail: VALUE',
    'mail: { use: smtp, url: "smtp://user:VALUE@mail" , use: x }',
    'publicUrl: https://user:VALUE@crm.example.com',
    'publicUrl: https://crm.example.com/?token=VALUE',
    'sites: [{ upstream: "http://user:VALUE@a:1" }]',
    'apiKey: VALUE',
    'anything: VALUE',
    'users: { use: local, secret: VALUE, secret: x }',
    'users: { use: local, secret: "VALUE }',
    "users: { use: local, secret: 'VALUE }",
    'users:\n  use: local\n  secret: "x\n   VALUE\n  y: z"\n z',
    'users:\n  use: local\n  secret: |\n    VALUE\n   x\n z',
    'users:\n  use: local\n  secret: !VALUE\n',
    'users:\n  use: local\n  secret: &VALUE x\n',
    'users:\n  use: local\n  secret: *VALUE\n',
    'users:\n  use: local\n  secret: a: VALUE\n',
    'users:\n  use: local\n  secret:VALUE\n',
    'users:\n  use: local\n  secret: x # VALUE\n  secret: y # VALUE',
    'users:\n  use: local\n\tsecret: VALUE',
    'users: { use: local, secret: a, VALUE }',
    'users: { use: local, secret: "\\q VALUE" }',
    'listen: "${SECRET}"',
    'listen: "${file:secret.txt}:80"',
    'name: "${SECRET}\\n"',
    'session: { duration: "${SECRET}", idle: "x${SECRET}" }',
    'prefix: "${SECRET}"\nlog: { level: "${SECRET}" }',
    'secondFactor: { methods: [{ use: sms, transport: { use: twilio, authToken: VALUE, authToken: VALUE } }] }',
    'secondFactor: { methods: [{ use: magic-link, countsAs: "${SECRET}" }] }',
    'networks: [{ range: ["${SECRET}"] }]',
    'trustedProxies: ["10.0.0.0/${SECRET}"]',
    'templates: "${SECRET}"',
  ]
  for (const place of places) {
    const text = place.replaceAll('VALUE', canary)
    for (const whole of [text, `${text}\n${site}`, `${site}\n${text}`]) {
      writeFileSync(join(directory, 'secret.txt'), canary)
      const complaints = complaintsOf(whole, { SECRET: canary })
      t.notMatch(complaints, new RegExp(canary, 'i'), whole)
      const checked = await checkConfig(file, { SECRET: canary })
      t.match(checked, { problems: Array }, whole)
      t.notMatch(JSON.stringify(checked), new RegExp(canary, 'i'), `${whole} (with plugins)`)
    }
  }
})

t.test('no text is too odd, and none makes a secret show', async () => {
  const word = fc.constantFrom(
    ...['sites', 'upstream', 'password', 'users', 'use', 'mail', 'rules', 'path', 'access', 'deny', 'range', 'listen'],
    ...[
      ': ',
      '- ',
      '\n',
      '\n  ',
      '\n    ',
      '{ ',
      ' }',
      '[',
      ']',
      ', ',
      '"',
      "'",
      '|',
      '>',
      '#',
      '&a ',
      '*a',
      '!t ',
      '?',
      '%',
      '---\n',
    ],
    ...[
      '${',
      '}',
      '${SECRET}',
      '${file:',
      'x',
      '1',
      '/a/**',
      '10.0.0.0/8',
      'http://a:1',
      '\t',
      '\u0000',
      '\u202e',
      '__proto__',
    ],
  )
  const text = fc.oneof(
    fc.array(word, { maxLength: 60 }).map((words) => words.join('')),
    fc.string({ unit: 'binary' }),
  )
  const secretHolder = fc
    .tuple(text, fc.constantFrom('"', "'", ''), text)
    .map(([before, quote, after]) => `${before}\nmail: { use: smtp, password: ${quote}${canary}${quote} }\n${after}`)
  fc.assert(
    fc.property(fc.oneof(text, secretHolder), (yaml) => {
      const complaints = complaintsOf(Buffer.from(yaml), { SECRET: canary })
      return !complaints.includes(canary) && !/[\x00-\x08\x0b-\x1f\x7f\u202e]/.test(complaints)
    }),
    { numRuns: 400 },
  )
})

t.test('a configuration whose values are wrong in any way is refused in words, not by an exception', async () => {
  const good = parse(designExample.replaceAll('${', '$${'))
  const anything = fc
    .anything({ withNullPrototype: false, maxDepth: 2 })
    .map((value) => JSON.stringify(value) ?? 'null')
  const paths = [
    'listen',
    'publicUrl',
    'prefix',
    'trustedProxies',
    'sites',
    'networks',
    'secondFactor',
    'session',
    'mail',
  ]
  fc.assert(
    fc.property(fc.constantFrom(...paths), anything, (key, value) => {
      const loaded = load(JSON.stringify({ ...good, [key]: JSON.parse(value) }))
      return 'config' in loaded || loaded.problems.every(({ line, column }) => line >= 1 && column >= 1)
    }),
    { numRuns: 120 },
  )
})

t.test('the nearest name is found, and none where none is near', async (t) => {
  t.equal(distance('kitten', 'sitting'), 3)
  t.equal(distance('acces', 'access'), 1)
  t.equal(distance('lsiten', 'listen'), 1, 'two letters swapped are one slip')
  t.equal(nearest('second_factor', ['secondFactor', 'session']), 'secondFactor')
  t.equal(nearest('GETT', ['GET', 'PUT']), 'GET')
  t.equal(nearest('banana', ['secondFactor', 'session']), undefined)
})

t.test('durations', async (t) => {
  t.same(['30s', '5m', '12h', '90d'].map(parseDuration), [30, 300, 43_200, 7_776_000])
  for (const wrong of ['', '5', 'm', '5 m', '1.5h', '-5m', '5M', '1h30m', '0x5m', '٣d'])
    t.equal(parseDuration(wrong), undefined, wrong)
})

t.test('config/schema.json is what the schema says today', async (t) => {
  const kept = readFileSync(join(root, 'config/schema.json'), 'utf8')
  t.equal(
    kept,
    `${JSON.stringify(configSchema(), null, 2)}\n`,
    'made by: node dist/src/main.js schema > config/schema.json',
  )
})

interface JsonSchema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
}

/** Paths of all keys, with [] for entries of lists. */
function keysOf(schema: JsonSchema, path = ''): [string, JsonSchema][] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    const at = path === '' ? key : `${path}.${key}`
    return [[at, child] as [string, JsonSchema], ...keysOf(child, at)]
  })
  return schema.items ? [...own, ...keysOf(schema.items, `${path}[]`)] : own
}

function keysIn(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((entry) => keysIn(entry, `${path}[]`))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, child]) => {
    const at = path === '' ? key : `${path}.${key}`
    return [at, ...keysIn(child, at)]
  })
}

t.test('every key is described to editors and shown in the reference', async (t) => {
  const reference = readFileSync(join(root, 'config/reference.yaml'), 'utf8')
  const shown = new Set(keysIn(parse(reference.replace(/^(\s*)#(?=[^\s#])/gm, '$1'))))
  for (const [path, { description }] of keysOf(configSchema())) {
    t.match(description, /\.$/, `${path} has a sentence`)
    t.ok(shown.has(path), `${path} is in config/reference.yaml`)
  }
})

t.test('the files that are shipped are right', async (t) => {
  const reference = await checkConfig(join(root, 'config/reference.yaml'), { SID: 'AC1', TOKEN: 'x' })
  t.match(reference, { config: {} }, 'problems' in reference ? reference.problems.map(formatProblem).join('\n') : '')
  const quickstart = readFileSync(join(root, 'config/quickstart.yaml'), 'utf8')
  t.ok(quickstart.trim().split('\n').length <= 15)
  t.match(await checkConfig(join(root, 'config/quickstart.yaml'), {}), {
    config: { publicUrl: 'https://crm.example.com' },
  })
})

/** Runs a command and keeps what it wrote. */
async function run(command: (terminal: { env: NodeJS.ProcessEnv; stdout: Sink; stderr: Sink }) => Promise<number>) {
  const stdout = new Sink()
  const stderr = new Sink()
  const code = await command({ env: {}, stdout, stderr })
  return { code, out: stdout.text.replaceAll(`${directory}/`, ''), err: stderr.text.replaceAll(`${directory}/`, '') }
}

class Sink {
  text = ''
  write(text: string) {
    this.text += text
  }
}

t.test('gatelodge check says that a file is fine, or everything that is wrong, with exit code 2', async (t) => {
  writeFileSync(file, site)
  t.same(await run((terminal) => check({ config: file }, terminal)), {
    code: 0,
    out: 'gatelodge.yaml is fine: 1 site, 0 rules, 0 networks, totp\n',
    err: '',
  })
  writeFileSync(
    file,
    `${site}\nnmae: Desk\nusers: { use: locl }\nsecondFactor: { methods: [{ use: totp, digits: 8 }] }\n`,
  )
  t.same(await run((terminal) => check({ config: file }, terminal)), {
    code: 2,
    out: '',
    err: `gatelodge.yaml:2:1  nmae: is not a key that exists here
  accepted: ${everyKey}
  did you mean "name"?
  2 | nmae: ***
    | ^^^^

gatelodge.yaml:3:15  users.use: names no plugin there is
  accepted: ${ownPlugins('user-directories').join(', ')}, a path that starts with ./, an npm package installed beside this file
  did you mean "local"?
  3 | users: { use: locl }
    |               ^^^^

gatelodge.yaml:4:40  secondFactor.methods[0].digits: is not a key that exists here
  accepted: issuer, ahead
  4 | secondFactor: { methods: [{ use: totp, digits: *** }] }
    |                                        ^^^^^^

gatelodge.yaml: 3 mistakes
`,
  })
  const asJson = await run((terminal) => check({ config: file, json: true }, terminal))
  t.match(JSON.parse(asJson.out), { ok: false, problems: [{ line: 2 }, { line: 3, suggestion: 'local' }, { line: 4 }] })
  t.equal(asJson.code, 2)
})

t.test('gatelodge schema prints JSON Schema', async (t) => {
  const { code, out } = await run((terminal) => schema({}, terminal))
  t.equal(code, 0)
  t.same(JSON.parse(out), JSON.parse(JSON.stringify(configSchema())))
})

t.test('long lines keep what is around the caret, and nothing moves the cursor', async (t) => {
  const long = `sites: [{ upstream: "http://127.0.0.1:3000", rules: [${Array(30).fill('{ path: /a, access: deny }').join(', ')}, { pahth: /x }] }]`
  for (const line of complaintsOf(long).split('\n')) if (line.includes(' | ')) t.ok(line.length < 140)
  t.notMatch(complaintsOf(`na\u001b[31mme: x\n"\u202ex": y\n${site}`), /[\u001b\u202e]/)
})

t.test('check says what cannot work, or is open to whoever is on the way', async (t) => {
  const said = async (text: string) => {
    const directory = t.testdir({ 'gatelodge.yaml': `${text}\nsites: [{ upstream: "http://127.0.0.1:1" }]\n` })
    const read = await checkConfig(join(directory, 'gatelodge.yaml'), {})
    return 'config' in read ? warningsAbout(read.config).join('\n') : 'refused'
  }
  t.equal(await said('publicUrl: http://crm.example.com'), 'refused', 'http of a public name')
  const methods = 'publicUrl: http://localhost\nsecondFactor: { methods: [{ use: totp }, { use: email }] }'
  t.equal(await said(methods), 'refused', 'a method that needs mail')
  t.match(await said('publicUrl: http://localhost\naudit: { mailOwners: true }'), 'NO MAIL: audit.mailOwners')
  t.notMatch(await said('publicUrl: http://localhost'), 'NO MAIL')
  t.notMatch(await said(`${methods}\nmail: { use: smtp, url: "smtp://127.0.0.1", from: a@example.com }`), 'NO MAIL')
  t.match(await said('publicUrl: http://localhost\ntrustedProxies: [0.0.0.0/0]'), 'TRUSTS EVERYBODY')
})
