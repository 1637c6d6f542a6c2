import t from 'tap'
import { application } from '../support/front-door.js'
import { housePassword, startHouse } from '../support/house.js'

t.setTimeout(120_000)

const yaml = (upstream: string, byEmail: boolean) => `
listen: 127.0.0.1:0
signIn: { byEmail: ${byEmail} }
sites: [{ upstream: "${upstream}" }]
`

/** The clock stands still: how long somebody has to wait must not pass while the machine is busy. */
async function core(t: Parameters<typeof startHouse>[0], byEmail = true) {
  const at = Date.now()
  const started = await startHouse(t, { yaml: yaml((await application(t)).url, byEmail), now: () => at })
  const typed = (username: string, password = housePassword) =>
    started.visitor().fillIn('/.gatelodge/sign-in', { username, password }, '/sign-in')
  return { ...started, typed }
}

t.test('a mail address stands for the username of the one account it belongs to', async (t) => {
  const { addUser, typed } = await core(t)
  await addUser('ana', { email: 'Ana.Kim@example.com' })
  await addUser('twin-a', { email: 'both@example.com' })
  await addUser('twin-b', { email: 'both@example.com' })
  t.equal((await typed('ana.kim@EXAMPLE.com')).status, 303)
  t.equal((await typed('ana')).status, 303)
  const wrong = await typed('ana', 'wrong')
  const essence = ({ status, text }: typeof wrong, name: string) =>
    [status, text.replaceAll(name, 'TYPED').replace(/name="token" value="[^"]*"/, '')].join('\n')
  for (const name of ['both@example.com', 'nobody@example.com', '@', 'a@', 'ana.kim@example.com@example.com']) {
    t.equal(essence(await typed(name), name), essence(wrong, 'ana'), `${name}: the words of a wrong password`)
  }
  t.equal(essence(await typed('ana.kim@example.com', 'wrong'), 'ana.kim@example.com'), essence(wrong, 'ana'))
})

t.test('a username that looks like an address is nobody else’s to take by changing their own address', async (t) => {
  const { addUser, typed, core: services } = await core(t)
  await addUser('chief@example.com', { email: 'chief@office.example' })
  await addUser('eve', { email: 'chief@example.com', password: 'the password of somebody else' })
  t.equal((await typed('chief@example.com', 'the password of somebody else')).status, 422)
  t.equal((await typed('chief@example.com')).status, 303)
  const names = []
  for await (const { account } of services.identity.sessions.list()) names.push(account.username)
  t.same(names, ['chief@example.com'])
})

t.test('guesses by address and by name are spent from one budget', async (t) => {
  const { addUser, typed } = await core(t)
  await addUser('ana', { email: 'ana@example.com' })
  for (let guess = 0; guess < 6; guess += 1) await typed(guess % 2 === 0 ? 'ana' : 'ana@example.com', 'wrong')
  t.equal((await typed('ana')).status, 429)
  t.equal((await typed('ana@example.com')).status, 429)
})

t.test('where it is off an address is a name like any other', async (t) => {
  const { addUser, typed } = await core(t, false)
  await addUser('ana', { email: 'ana@example.com' })
  t.equal((await typed('ana@example.com')).status, 422)
})
