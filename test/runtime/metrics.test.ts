import t from 'tap'
import { request } from 'undici'
import { freePort } from '../support/free-port.js'
import { startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'
import { Visitor } from '../support/visitor.js'
import { slowApplication } from './keeper.js'

t.setTimeout(120_000)

for (const workers of [1, 2]) {
  t.test(`requests and events are counted, without a name in any label, by ${workers} of one gateway`, async (t) => {
    const application = await slowApplication(t)
    const port = await freePort()
    const gateway = await startGateway(t, {
      yaml: `
workers: ${workers}
metrics: { listen: 127.0.0.1:${port} }
sites: [{ upstream: "${application.url}", rules: [{ path: /open/**, access: public }] }]
stop: { announce: off }
`,
    })
    const metrics = async () => {
      const { body } = await request(`http://127.0.0.1:${port}/metrics`)
      return body.text()
    }
    await until('the counts to be served', () => metrics().catch(() => undefined))
    for (let time = 0; time < 6; time += 1) {
      const visitor = new Visitor(t, gateway.url)
      await visitor.get('/open/secret-path')
      await visitor.get('/office/secret-path')
    }
    const visitor = new Visitor(t, gateway.url)
    const asked = await visitor.get('/office')
    await visitor.fillIn(asked.location ?? '', { username: 'secret-name', password: 'wrong one' }, '/sign-in')
    const text = await until('every request to be counted', async () => {
      const now = await metrics()
      return now.includes('gatelodge_requests_total{site="*",outcome="allow",status="2xx"} 6') && now
    })
    t.match(text, 'gatelodge_requests_total{site="*",outcome="sign-in",status="3xx"} 7')
    t.match(text, /gatelodge_events_total\{event="sign-in.password",outcome="refused"\} 1/)
    t.match(text, `gatelodge_workers ${workers}`)
    t.match(text, `gatelodge_upstream_limit{site="*",kind="requests"} ${256 * workers}`)
    t.match(text, /gatelodge_upstream_in_use\{site="\*",kind="event-streams"\} 0/)
    t.match(text, /gatelodge_store_seconds 0\.\d+|gatelodge_store_seconds \d/)
    t.match(text, 'gatelodge_dependency_up{dependency="store"} 1')
    t.match(text, /nodejs_eventloop_lag_seconds/)
    t.notMatch(text, /secret/)
    t.equal((await request(`http://127.0.0.1:${port}/`)).statusCode, 404)
    t.equal(await gateway.stop(), '0')
  })
}
