import t from 'tap'
import { usableEnrolments } from '../../src/identity/accounts/account.js'
import { add, services } from '../support/core.js'

t.test('what the owner orders for one account', async (t) => {
  const first = await services(t)
  const second = await first.beside()
  const { id } = await add(first, 'ann')
  const { accounts, epoch } = first

  await t.test('a requirement, which begins its grace anew', async (t) => {
    await accounts.change(id, (account) => ({ ...account, grace: { from: 1, signIns: 2 } }))
    t.match(await accounts.require(id, true), { required: true, grace: undefined })
    t.match(await second.accounts.find(id), { required: true }, 'in another gateway as well')
    t.match(await accounts.require(id, false), { required: false })
  })

  await t.test('an exemption, given and taken back', async (t) => {
    const exemption = { reason: 'a screen reader', sites: ['crm.example.com'], networks: ['10.0.0.0/8'], until: 5 }
    t.same((await accounts.exempt(id, exemption))?.exemption, exemption)
    t.notOk('exemption' in ((await accounts.exempt(id, undefined)) ?? {}))
  })

  await t.test('addresses, limited and freed', async (t) => {
    t.same((await accounts.limitAddresses(id, ['fd00::/8']))?.addresses, ['fd00::/8'])
    t.notOk('addresses' in ((await accounts.limitAddresses(id, undefined)) ?? {}))
  })

  await t.test('methods, switched off and on again at once from two places', async (t) => {
    await Promise.all([
      accounts.switchMethods(id, { off: ['sms'] }),
      second.accounts.switchMethods(id, { off: ['email'] }),
    ])
    t.same((await accounts.find(id))?.methodsOff, ['email', 'sms'])
    const enrolled = [
      { id: '1', method: 'sms' },
      { id: '2', method: 'totp' },
    ]
    t.same(usableEnrolments({ enrolled, methodsOff: ['sms'] }), [{ id: '2', method: 'totp' }])
    t.same(usableEnrolments({ enrolled }), enrolled)
    t.notOk('methodsOff' in ((await accounts.switchMethods(id, { on: ['sms', 'email'] })) ?? {}))
  })

  await t.test('each of them is seen by the next request everywhere', async (t) => {
    for (const change of [
      () => accounts.require(id, true),
      () => accounts.exempt(id, { reason: 'x' }),
      () => accounts.limitAddresses(id, ['10.0.0.0/8']),
      () => accounts.switchMethods(id, { off: ['sms'] }),
    ]) {
      const before = await second.epoch.read()
      await change()
      t.not(await second.epoch.read(), before)
    }
    t.equal(await epoch.read(), await second.epoch.read())
  })

  t.equal(await accounts.require('nobody', true), undefined)
})
