import t from 'tap'
import { networkKey, parseAddress } from '../../src/access/client-address.js'
import { networkSteps } from '../../src/messages/network-steps.js'

t.test('an IPv6 client is counted in its /64, /56 and /48, an IPv4 client once', async (t) => {
  const stepsOf = (address: string) => networkSteps(networkKey(parseAddress(address))).map(({ network }) => network)
  t.same(stepsOf('203.0.113.9'), ['203.0.113.9'])
  t.same(stepsOf('no address'), ['unreadable'])
  t.same(stepsOf('2001:db8:1:2fa::9'), ['2001:db8:1:2fa::/64', '2001:db8:1:200::/56', '2001:db8:1::/48'])
  t.same(stepsOf('2001:db8::9'), ['2001:db8::/64', '2001:db8:0:0::/56', '2001:db8:0::/48'])
  t.same(stepsOf('2001:db8:0:ff::9').slice(1), stepsOf('2001:db8::9').slice(1), 'one /56')
  t.not(stepsOf('2001:db8:0:100::9')[1], stepsOf('2001:db8::9')[1], 'two /56')
  t.equal(stepsOf('2001:db8:0:100::9')[2], stepsOf('2001:db8::9')[2], 'one /48')
  t.same(
    networkSteps('2001:db8::/64').map(({ times }) => times),
    [1, 3, 10],
  )
  t.same(stepsOf('::1'), ['::/64', '0:0:0:0::/56', '0:0:0::/48'])
  for (const network of stepsOf('2001:db8:ffff:ffff::1')) t.ok(parseAddress(network.split('/')[0] ?? ''), network)
})
