/** Starts the gateway from its bundle, asks it a little, and keeps what V8 compiled for that. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { codeFile, compile, evaluate } from '../src/runtime/bundle.js'

const deadlineMs = 60_000

const directory = mkdtempSync(join(tmpdir(), 'gatelodge-build-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
setTimeout(() => process.exit(1), deadlineMs).unref()

const port = await freePort()
const config = join(directory, 'gatelodge.yaml')
writeFileSync(
  config,
  `listen: 127.0.0.1:${port}
log: { level: silent }
stop: { announce: off }
store: { use: embedded, path: ./data }
sites: [{ upstream: "http://127.0.0.1:1", rules: [{ path: /public/**, access: public }] }]
`,
)
process.argv.splice(1, process.argv.length, 'gatelodge', 'start', '--config', config)
const script = compile(undefined)
const running = evaluate(script).program?.()
let isKept = false
running?.finally(() => process.exit(isKept ? 0 : 1))
await until('/.gatelodge/readyz', 200)
await until('/public/', 502)
await until('/', 401)
await until('/.gatelodge/sign-in', 200)

writeFileSync(`${codeFile}.new`, script.createCachedData())
renameSync(`${codeFile}.new`, codeFile)
isKept = true
process.kill(process.pid, 'SIGTERM')

async function until(path: string, status: number): Promise<void> {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual' }).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer?.status === status) return
    await pause(50)
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
