import t from 'tap'
import email from '../../../plugins/second-factors/email.js'
import magicLink from '../../../plugins/second-factors/magic-link.js'
import sms from '../../../plugins/second-factors/sms.js'
import type { FactorMessage, Host, MailTransport, SentSecondFactor } from '../../../src/contracts.js'
import { build, lentHost } from '../../support/lent-host.js'

const transport = { use: 'outbox' }
const user = { id: 'u1', username: 'ada', groups: [] }

/** A host whose other plugins keep what they are given. */
function host(): { host: Host; sent: object[] } {
  const sent: object[] = []
  const keeper = { send: async (message: object) => void sent.push(message) }
  return { host: lentHost({ load: async () => keeper as never }), sent }
}

const sent = async (...built: Parameters<typeof build<'second-factors'>>) => (await build(...built)) as SentSecondFactor

t.test('text messages go to the countries of the list, judged by the number and not by its calling code', async (t) => {
  const factor = await sent(sms, { countries: ['US', 'GB'], transport }, host().host)
  const address = (mobile?: string) => factor.address({ ...user, ...(mobile === undefined ? {} : { mobile }) })
  t.match(factor, { label: 'Text message', sends: 'code' })
  t.equal(address('+12025550143'), '+12025550143')
  t.equal(address('+1 (202) 555-0143'), '+12025550143', 'put into E.164')
  t.equal(address('+447400123456'), '+447400123456')
  for (const [what, mobile] of Object.entries({
    'Canada is +1 as well': '+14165550143',
    'Jamaica is +1 as well': '+18765550143',
    'the Dominican Republic is +1 as well': '+18095550143',
    'Guernsey is +44 as well': '+447911123456',
    'a premium number': '+19005550143',
    'a British premium number': '+448440000000',
    'a personal number': '+447000000000',
    'a fixed line': '+442079460000',
    'a number of nobody': '+15550100',
    'no country': '2025550143',
    nothing: '',
  })) {
    t.equal(address(mobile), undefined, what)
  }
  t.equal(address(undefined), undefined)
})

t.test('the kinds of numbers are a setting', async (t) => {
  const options = { countries: ['GB'], numberTypes: ['fixed-line'], transport }
  const factor = await sent(sms, options, host().host)
  t.equal(factor.address({ ...user, mobile: '+442079460000' }), '+442079460000')
  t.equal(factor.address({ ...user, mobile: '+447400123456' }), undefined)
})

t.test('options that would cost money or reach nobody are refused', async (t) => {
  for (const options of [
    { transport },
    { countries: [], transport },
    { countries: ['UK'], transport },
    { countries: ['us'], transport },
    { countries: ['US'] },
    { countries: ['US'], numberTypes: ['mobiles'], transport },
  ]) {
    t.notOk(sms.options.safeParse(options).success, JSON.stringify(options))
  }
})

const message: FactorMessage = { to: 'ada@example.org', subject: 'Hello', text: 'text', html: '<p>html</p>' }

t.test('a text message carries the text alone', async (t) => {
  const { host: lent, sent: kept } = host()
  const factor = await sent(sms, { countries: ['US'], transport }, lent)
  await factor.send({ ...message, to: '+12025550143' })
  t.same(kept, [{ to: '+12025550143', text: 'text' }])
})

for (const [name, plugin, sends] of [
  ['email', email, 'code'],
  ['magic-link', magicLink, 'link'],
] as const) {
  t.test(`${name} goes by the gateway's mail, or by a transport of its own`, async (t) => {
    const gateway: object[] = []
    const mail: MailTransport = { send: async (one) => void gateway.push(one) }
    const plain = await sent(plugin, {}, lentHost({ mail }))
    t.equal(plain.sends, sends)
    t.equal(plain.address({ ...user, email: 'ada@example.org' }), 'ada@example.org')
    t.equal(plain.address(user), undefined)
    await plain.send(message)
    t.same(gateway, [message])
    const { host: lent, sent: kept } = host()
    await (await sent(plugin, { transport }, lent)).send(message)
    t.same(kept, [message])
    await t.rejects(sent(plugin, {}, lentHost()), /need `mail`/)
  })
}

t.test('a link counts as the password and opens nothing by itself, unless said otherwise', async (t) => {
  const mail: MailTransport = { send: async () => undefined }
  const link = async (options: object) => (await sent(magicLink, options, lentHost({ mail }))).link
  t.same(await link({}), { countsAs: 'password', signIn: false })
  t.same(await link({ countsAs: 'both', signIn: true }), { countsAs: 'both', signIn: true })
  t.notOk(magicLink.options.safeParse({ countsAs: 'everything' }).success)
})
