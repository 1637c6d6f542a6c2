import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeKeyFile, readKeyFile, replaceKeyFile } from '../../src/secrets/key-file.js'
import { KeyRing } from '../../src/secrets/key-ring.js'
import { MasterKey } from '../../src/secrets/master-key.js'
import { Sealer } from '../../src/secrets/sealer.js'
import { ringOf, testKey, testSealer } from '../support/sealer.js'

const otherKey = 'ab'.repeat(32)
const seed = { secret: 'JBSWY3DPEHPK3PXP', lastStep: 3 }

t.test('what is sealed for one user opens for no other, and not once a bit of it is changed', async (t) => {
  const sealer = testSealer()
  const sealed = sealer.seal('enrolment/ana/1', seed)
  t.match(sealed, /^v1\.[\w-]{8}\.[\w-]{16}\.[\w-]+$/)
  t.notMatch(sealed, 'JBSWY3')
  t.same(sealer.open('enrolment/ana/1', sealed), { value: seed })
  t.not(sealer.seal('enrolment/ana/1', seed), sealed, 'the same again looks different')
  for (const key of ['enrolment/bob/1', 'enrolment/ana/2', 'pending/ana/1', 'installation']) {
    t.equal(sealer.open(key, sealed), undefined, key)
  }
  for (let at = 0; at < sealed.length; at += 1) {
    const other = sealed[at] === 'A' ? 'B' : 'A'
    const changed = `${sealed.slice(0, at)}${other}${sealed.slice(at + 1)}`
    t.equal(sealer.open('enrolment/ana/1', changed), undefined, changed)
  }
  for (const junk of [undefined, null, 7, {}, '', 'v1', 'v2.a.b.c', `${sealed}.x`, `${sealed}A`, sealed.slice(0, -1)]) {
    t.equal(sealer.open('enrolment/ana/1', junk), undefined, String(junk))
  }
})

t.test('without its key nothing opens; an old key opens what it sealed, and seals nothing', async (t) => {
  const old = testSealer()
  const sealed = old.seal('installation', 'form key')
  t.equal(testSealer(otherKey).open('installation', sealed), undefined)
  t.equal(testSealer(otherKey).foreign(sealed), old.ring.current.kid)
  const both = new Sealer(ringOf(otherKey, testKey))
  t.same(both.open('installation', sealed), { value: 'form key' })
  t.equal(old.open('installation', both.seal('installation', 'form key')), undefined)
})

t.test('a key is 32 bytes as base64, base64url or hexadecimal; what is none is not repeated', async (t) => {
  const bytes = Buffer.from(testKey, 'hex')
  const forms = [testKey, testKey.toUpperCase(), bytes.toString('base64'), bytes.toString('base64url')]
  const kids = forms.map((text) => {
    const read = MasterKey.read(`# a remark\n${text}  # and another\r\n\n`)
    return 'keys' in read ? read.keys.map(({ kid }) => kid).join() : read.fault
  })
  t.equal(new Set(kids).size, 1, kids.join())
  const wrong: Array<[string, string]> = [
    ['', 'has no key in it'],
    ['# nothing', 'has no key in it'],
    ['short', 'has 3 bytes, and a key has 32'],
    [bytes.subarray(1).toString('base64'), 'has 31 bytes, and a key has 32'],
    [`${testKey}00`, 'has 49 bytes, and a key has 32'],
    ['correct-horse!', 'is neither base64 nor hexadecimal'],
  ]
  for (const [text, fault] of wrong) {
    const read = MasterKey.read(text)
    t.same(read, { fault }, text)
  }
})

t.test('a key file is its user’s alone, is never written over, and is noticed when it changes', async (t) => {
  const file = join(t.testdir({}), 'gatelodge.key')
  const [first, second] = [MasterKey.draw(), MasterKey.draw()]
  t.equal(makeKeyFile(file, [first]), true)
  t.equal(statSync(file).mode & 0o777, 0o600)
  const text = readFileSync(file, 'utf8')
  t.equal(makeKeyFile(file, [second]), false)
  t.equal(readFileSync(file, 'utf8'), text)

  const ring = new KeyRing([first], { file })
  t.equal(ring.find(second.kid), undefined)
  replaceKeyFile(file, [second, first])
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(ring.find(second.kid)?.kid, second.kid, 'a key that is not known is looked for')
  t.equal(ring.current.kid, second.kid)
  t.equal(ring.find(first.kid)?.kid, first.kid)

  writeFileSync(file, 'damaged')
  t.equal(ring.find('anything'), undefined)
  t.equal(ring.current.kid, second.kid, 'what was read last holds')
  t.throws(() => readKeyFile(file), { code: 'secrets.key-malformed', message: file })
})
