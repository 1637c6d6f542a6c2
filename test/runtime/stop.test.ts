import { once } from 'node:events'
import t from 'tap'
import { request } from 'undici'
import { WebSocket } from 'ws'
import { startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'
import { slowApplication } from './keeper.js'

t.setTimeout(120_000)

const site = (upstream: string) => `sites: [{ upstream: "${upstream}", rules: [{ path: /**, access: public }] }]`

t.test('a gateway that stops says so first, answers what is under way, and says goodbye to WebSockets', async (t) => {
  const application = await slowApplication(t)
  const gateway = await startGateway(t, { yaml: `${site(application.url)}\nstop: { announce: 5s, deadline: 30s }\n` })
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket`)
  await once(socket, 'open')
  const goodbye = once(socket, 'close')
  const slow = request(`${gateway.url}/slow`)
  await until('the slow request to arrive', () => application.waiting.length === 1)

  const stopped = gateway.stop()
  await until('the gateway to be unready, and listen still', async () => {
    const { statusCode, body } = await request(`${gateway.url}/.gatelodge/readyz`)
    await body.dump()
    return statusCode === 503
  })
  const late = await request(`${gateway.url}/page`)
  t.equal(late.statusCode, 200, 'who has not heard yet is answered')
  t.equal(late.headers['connection'], 'close', 'for the last time on this connection')
  await late.body.dump()
  t.equal((await goodbye)[0], 1001)
  application.waiting[0]?.end('at last')
  t.equal(await (await slow).body.text(), 'at last')
  t.equal(await stopped, '0')
})

t.test('what takes longer than the deadline is cut', async (t) => {
  const application = await slowApplication(t)
  const gateway = await startGateway(t, { yaml: `${site(application.url)}\nstop: { announce: off, deadline: 1s }\n` })
  const slow = request(`${gateway.url}/slow`).catch((fault: unknown) => fault)
  await until('the slow request to arrive', () => application.waiting.length === 1)
  t.equal(await gateway.stop(), '0')
  t.type(await slow, Error)
  t.match(gateway.logs(), /still under way were cut/)
})
