import { readFile, writeFile } from 'node:fs/promises'
import t from 'tap'
import { edit, keepVisiting, logged, slowApplication } from '../runtime/keeper.js'
import { startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'
import { Visitor } from '../support/visitor.js'
import { quickest, tell, timed } from './table.js'

t.setTimeout(240_000)

t.test('a bad file is reloaded a hundred times a second under load: nobody sees it', async (t) => {
  const application = await slowApplication(t)
  const gateway = await startGateway(t, {
    yaml: `sites: [{ upstream: "${application.url}", rules: [{ path: /open/**, access: public }] }]\nstop: { announce: off }\n`,
  })
  const good = await readFile(gateway.configFile, 'utf8')
  const visits = keepVisiting(t, `${gateway.url}/open/x`)
  await until('visits', () => visits.count() > 50)
  await writeFile(gateway.configFile, good.replace('access: public', 'access: pubic'))
  let sent = 0
  const timer = setInterval(() => {
    sent += 1
    process.kill(gateway.pid(), 'SIGHUP')
  }, 10)
  t.teardown(() => clearInterval(timer))
  const visitor = new Visitor(t, gateway.url)
  const during = await quickest(5, () => visitor.get('/open/x'))
  t.equal(during.value.status, 200)
  await until('two hundred reloads to be asked for', () => sent >= 200, 120_000)
  clearInterval(timer)
  const refused = () => logged(gateway, 'config.refused').length
  await until('some to be refused', () => refused() > 0)
  const before = visits.count()
  await until('more visits', () => visits.count() > before + 50)

  await edit(gateway, () => good.replace('/open/**', '/**'))
  const taken = await timed(() =>
    until('the right file to be taken', async () => (await gateway.run(['reload'])).code === 0),
  )
  await until('its rules to hold', async () => (await visitor.get('/later')).status === 200)
  await visits.stop()
  t.same(visits.failures, [])
  tell(t, {
    fault: 'a bad file reloaded a hundred times a second',
    saw: `200 for all of ${visits.count()} requests`,
    answerMs: during.ms,
    promisedMs: 1000,
    recoverMs: taken.ms,
    more: `${refused()} times refused`,
  })
})

t.test('kill -9 while people sign in: what was answered holds after the start', async (t) => {
  const application = await slowApplication(t)
  const gateway = await startGateway(t, {
    yaml: `sites: [{ upstream: "${application.url}" }]\nstop: { announce: off }\n`,
  })
  const password = 'correct horse 7 battery'
  const added = await gateway.run(['user', 'add', 'ann', '--password-stdin'], password)
  t.equal(added.code, 0, added.stderr)
  const signedIn: Visitor[] = []
  let stopped = false
  const signInAgainAndAgain = async () => {
    while (!stopped) {
      const visitor = new Visitor(t, gateway.url)
      try {
        const answer = await visitor.fillIn('/.gatelodge/sign-in', { username: 'ann', password }, '/sign-in')
        if (answer.status === 303) signedIn.push(visitor)
      } catch {
        // Cut.
      }
    }
  }
  const loops = [1, 2, 3].map(signInAgainAndAgain)
  await until('people to be signed in', () => signedIn.length >= 20)
  await gateway.kill()
  stopped = true
  await Promise.all(loops)
  const answered = [...signedIn]
  const back = await timed(() => gateway.start())
  for (const visitor of answered) t.equal((await visitor.get('/x')).text, 'for ann')
  const verified = await gateway.run(['audit', 'verify'])
  t.equal(verified.code, 0, verified.stdout)
  tell(t, {
    fault: 'kill -9 while people sign in',
    saw: `connections are cut; ${answered.length} of ${answered.length} sessions that were answered hold`,
    recoverMs: back.ms,
  })
})
