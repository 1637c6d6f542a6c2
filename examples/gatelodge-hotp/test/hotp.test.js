import assert from 'node:assert'
import { createHmac } from 'node:crypto'
import test from 'node:test'
import { build, checkedFactorContract, inRunner, lentHost } from 'gatelodge/testing'
import plugin from 'gatelodge-hotp'

/** The token in somebody's hand: RFC 4226, written a second time, so that the plugin is not tested against itself. */
function press(seed, counter) {
  const message = Buffer.from(counter.toString(16).padStart(16, '0'), 'hex')
  const mac = [...createHmac('sha1', Buffer.from(seed, 'hex')).update(message).digest()]
  const [first, ...rest] = mac.slice(mac[19] & 15, (mac[19] & 15) + 4)
  const number = rest.reduce((sum, byte) => sum * 256 + byte, first & 127)
  return String(number).slice(-6).padStart(6, '0')
}

const pressed = new Map()

checkedFactorContract(inRunner(test), {
  user: { id: '1', username: 'ada', groups: [] },
  open: (now) => build(plugin, { lookAhead: 3 }, lentHost({ now })),
  async answer(secret) {
    const counter = pressed.get(secret) ?? 0
    pressed.set(secret, counter + 1)
    return press(secret, counter)
  },
  nextAnswerMs: 1,
})

test('the codes of RFC 4226, appendix D, and as many lost presses as the file allows', async () => {
  const factor = await build(plugin, { lookAhead: 3 }, lentHost())
  const secret = Buffer.from('12345678901234567890').toString('hex')
  for (const [counter, code] of ['755224', '287082', '359152', '969429'].entries()) {
    assert.deepEqual(await factor.enrol.confirm(secret, code), { secret, counter: counter + 1 })
  }
  assert.equal(await factor.enrol.confirm(secret, '338314'), undefined, 'the fifth')
  assert.deepEqual(await factor.verify(null, { secret, counter: 1 }, '338314'), { enrolment: { secret, counter: 5 } })
})
