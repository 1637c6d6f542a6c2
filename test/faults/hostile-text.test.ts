import t from 'tap'
import { request } from 'undici'
import { application } from '../support/front-door.js'
import { startGateway } from '../support/gateway.js'
import { RawSocket } from '../support/raw-socket.js'
import { quickest, tell } from './table.js'

t.setTimeout(240_000)

t.test(
  'a stranger sends the header that once took 87 seconds; the health check of somebody else does not wait',
  async (t) => {
    const app = await application(t)
    const gateway = await startGateway(t, {
      yaml: `
publicUrl: http://localhost
sites: [{ upstream: "${app.url}", rules: [{ path: /**, access: public }] }]
`,
    })
    const attack = `Cookie: ${'='.repeat(1000)}gatelodge${' '.repeat(14_000)}x\r\n`
    const health = () => request(`http://127.0.0.1:${gateway.port}/.gatelodge/healthz`)
    const beside = await quickest(3, async () => {
      const stranger = await RawSocket.open(t, gateway.port)
      stranger.write(`GET /x HTTP/1.1\r\nHost: localhost\r\n${attack}\r\n`)
      const { statusCode, body } = await health()
      await body.dump()
      t.match(await stranger.untilReceived(/\r\n\r\n/), /^HTTP\/1\.1 200 /, 'it is a request like any other')
      return statusCode
    })
    t.equal(beside.value, 200)
    tell(t, {
      fault: 'a stranger sends the dearest `Cookie` header that fits',
      saw: 'health check of another client 200',
      answerMs: beside.ms,
      promisedMs: 1000,
    })
  },
)
