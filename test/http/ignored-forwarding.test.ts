import t, { type Test } from 'tap'
import { warningsAbout } from '../../src/config/warnings.js'
import { application } from '../support/front-door.js'
import { startHouse } from '../support/house.js'

/**
 * The fault: `trustedProxies` was forgotten, everybody was 127.0.0.1, one person's wrong passwords delayed all, and nothing
 * said why.
 */

async function askedBy(t: Test, trustedProxies: string, forwardedFor: readonly string[]) {
  const app = await application(t)
  const core = await startHouse(t, {
    yaml: `
publicUrl: http://localhost
trustedProxies: ${trustedProxies}
sites: [{ upstream: "${app.url}", rules: [{ path: /**, access: public }] }]
`,
  })
  for (const value of forwardedFor) {
    const answer = await fetch(`http://127.0.0.1:${core.port}/x`, { headers: { 'x-forwarded-for': value } })
    t.equal(answer.status, 200)
    await answer.arrayBuffer()
  }
  return core.lines.filter(({ message }) => /X-Forwarded-For/.test(message))
}

t.test('the first X-Forwarded-For of a proxy that is not trusted is said, once', async (t) => {
  const said = await askedBy(t, '[]', ['192.0.2.1', '192.0.2.2', 'nonsense'])
  t.match(said, [{ level: 'warn', fields: { peer: '127.0.0.1' }, message: /trustedProxies does not have it/ }])
  t.equal(said.length, 1)
})

t.test('that of a trusted one is not, also where it speaks of itself', async (t) => {
  t.same(await askedBy(t, '[127.0.0.1/32]', ['192.0.2.1', '127.0.0.1', '']), [])
})

t.test('check and start say it of the file alone, where an https address names no proxy', async (t) => {
  const warnings = async (more: string) => {
    const { core } = await startHouse(t, { yaml: `sites: [{ upstream: "http://127.0.0.1:1" }]\n${more}\n` })
    // That site and publicUrl share a host is another matter.
    return warningsAbout(core.config).filter((text) => !text.includes('SHARED HOST'))
  }
  t.match(await warnings('publicUrl: https://crm.example.com'), [/EVERYBODY LOOKS THE SAME/])
  t.same(await warnings('publicUrl: http://localhost'), [])
  t.same(await warnings('publicUrl: https://crm.example.com\ntrustedProxies: [10.0.0.1/32]'), [])
  t.match(await warnings('publicUrl: http://localhost\ntrustedProxies: ["::/0"]'), [
    /^3 {2}TRUSTS EVERYBODY: with ::\/0/,
  ])
})
