import t from 'tap'
import { examineTraces } from '../../src/cli/doctor/traces.js'
import { openTraces } from '../../src/runtime/traces/open.js'
import { lentHost } from '../support/lent-host.js'

t.test(
  'an address of a collector in which a password ends nobody knows where is not used, and no part of it is said',
  async (t) => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://gate:p@ss/w#rd%?1@collector.example:4318' }
    const { log, lines } = lentHost()
    t.equal(await openTraces(env, log), undefined)
    const said = JSON.stringify([lines, await examineTraces(env)])
    t.match(said, /cannot be read for sure/)
    t.match(said, /OTEL_EXPORTER_OTLP_HEADERS/)
    t.notMatch(said, /p@ss|ss\/w|w#rd|"ss|collector\.example/)
  },
)
