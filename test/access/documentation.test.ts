import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseAddress } from '../../src/access/client-address.js'
import { type AccountFacts, decide, rows, type SessionFacts } from '../../src/access/decide.js'
import { Policy } from '../../src/access/policy.js'
import { canonicalTarget } from '../../src/access/targets/canonical-target.js'
import { PathPattern } from '../../src/access/targets/path-pattern.js'
import { loadConfig } from '../../src/config/load-config.js'

const page = readFileSync(new URL('../../../docs/policy.md', import.meta.url), 'utf8')
const now = Date.UTC(2026, 0, 1)
const minute = 60_000

const person: AccountFacts = { active: true, role: 'user', groups: [], required: false, enrolled: false }
const accounts: Record<string, AccountFacts> = {
  anna: { ...person, enrolled: true, groups: ['staff'] },
  bert: person,
  carl: { ...person, grace: true },
  job: { ...person, role: 'api', username: 'job' },
}
/** A day after the device was remembered. */
const proofs: Record<string, SessionFacts> = {
  password: { passwordAt: now },
  code: { passwordAt: now, secondFactorAt: now },
  'code 6 minutes ago': { passwordAt: now, secondFactorAt: now - 6 * minute },
  passkey: { passwordAt: now, secondFactorAt: now, passkeyAt: now },
  'passkey that asked nothing': { passwordAt: now, passkeyAt: now },
  device: { passwordAt: now, deviceAt: now - 24 * 60 * minute },
}

const cells = (line: string) =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replace(/^`|`$/g, ''))
const tableAfter = (text: string) => (/(?:^\|.*\n)+/m.exec(text)?.[0] ?? '').trimEnd().split('\n').slice(2).map(cells)

t.test('every example of the page does what the page says', async (t) => {
  const examples = page.split('```yaml\n').slice(1)
  t.equal(examples.length, 7)
  for (const example of examples) {
    const [yaml = '', rest = ''] = example.split('```\n')
    const directory = t.testdir({ 'gatelodge.yaml': yaml })
    const loaded = loadConfig(join(directory, 'gatelodge.yaml'), {})
    if (!('config' in loaded)) throw new Error(JSON.stringify(loaded.problems))
    const policy = new Policy(loaded.config)
    const requests = tableAfter(rest)
    t.ok(requests.length > 3)
    for (const [request = '', from = '', who = '', meets, row] of requests) {
      const found = judge(policy, request, from, who)
      t.equal(`${found?.outcome ?? '400'} ${found?.row ?? ''}`, `${meets} ${row}`, `${request} from ${from} by ${who}`)
    }
  }
})

function judge(policy: Policy, request: string, from: string, who: string) {
  const [method = '', raw = ''] = request.split(' ')
  const path = canonicalTarget(raw)?.path
  if (path === undefined) return undefined
  const address = parseAddress(from)
  const site = policy.site('crm.example.com', path)
  if (site === undefined) throw new Error('no site')
  const [name = '', ...proof] = who.split(', ')
  return decide({
    rule: policy.rule(site, path, method, address),
    network: policy.network(address, site),
    method,
    path,
    address,
    account: accounts[name],
    session: proofs[proof.join()],
    secondFactor: policy.secondFactor,
    now,
  })
}

t.test('the patterns of the page fit what the page says', async (t) => {
  const patterns = tableAfter(page.slice(page.indexOf('| path | fits |')))
  t.equal(patterns.length, 6)
  for (const [pattern = '', fits = '', not = ''] of patterns) {
    for (const path of fits.replaceAll('`', '').split(', ')) t.ok(new PathPattern(pattern).matches(path), path)
    for (const path of not.replaceAll('`', '').split(', ')) t.notOk(new PathPattern(pattern).matches(path), path)
  }
})

t.test('the page has every row of the table', async (t) => {
  const numbers = tableAfter(page.slice(page.indexOf('| row | when |'))).map(([number]) => Number(number))
  t.same(numbers, [...new Set(rows.map((row) => row.number))])
})
