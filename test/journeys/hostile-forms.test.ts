import t from 'tap'
import { foldUsername } from '../../src/contracts.js'
import { factorName } from '../../src/identity/own-account/own-factors.js'
import { cleanAnswer } from '../../src/identity/second-factors/answer.js'
import { readCharacters } from '../../src/identity/store/base32.js'
import { mailAddress, mobileNumber } from '../../src/identity/store/contact-forms.js'
import { cpuMs } from '../support/cpu.js'
import { startHouse } from '../support/house.js'
import { formOf } from '../support/visitor.js'

/**
 * The attack: 8,000 combining marks in one field of a form. Unicode normalization sorts them, which takes the square of
 * their number (70 ms), and a name is normalized several times on its way.
 */

const marks = `a${'\u0301'.repeat(3900)}${'\u0316'.repeat(3900)}`

t.test('nothing that people type is normalized at a length that no name, address or code has', async (t) => {
  await mobileNumber('+12025550143') // loads what it needs
  const readers = {
    foldUsername,
    cleanAnswer,
    mailAddress,
    mobileNumber,
    factorName,
    readCharacters: (text: string) => readCharacters(text, 12),
  }
  for (const [name, read] of Object.entries(readers)) {
    const used = await cpuMs(async () => {
      for (let round = 0; round < 30; round += 1) await read(marks)
    })
    t.ok(used < 400, `${name}: ${Math.round(used)} ms of processor time for thirty`)
  }
  t.equal(foldUsername('Ａｄａ'), 'ada')
  t.equal(cleanAnswer('１２３ ４５６'), '123456')
})

t.test('a sign-in with such a name costs one password hash and a page', async (t) => {
  const core = await startHouse(t, {
    yaml: 'publicUrl: http://localhost\nsites: [{ upstream: "http://127.0.0.1:1" }]\n',
  })
  const visitor = core.visitor()
  const { fields, action } = formOf((await visitor.get('/.gatelodge/sign-in')).text)
  const body = `${new URLSearchParams({ ...fields, password: 'x' })}&username=${marks}`
  t.ok(Buffer.byteLength(body) < 16_384 && Buffer.byteLength(body) > 15_000, 'as much as a form takes')
  const used = await cpuMs(async () => {
    for (let round = 0; round < 10; round += 1) {
      const { status } = await visitor.post(action ?? '', {}, { body })
      t.ok(status >= 400 && status < 500, `refused with ${status}`)
    }
  })
  t.ok(used < 1600, `${Math.round(used)} ms of processor time for ten`)
})
