import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { application } from '../support/front-door.js'
import { type RunningGateway, runGatelodge, startGateway } from '../support/gateway.js'
import { findProgram } from '../support/installed.js'
import { until } from '../support/poll.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { Visitor } from '../support/visitor.js'
import { quickest, tell, timed } from './table.js'

t.setTimeout(300_000)

/** What users see of a disk in trouble, behind a whole gateway with the embedded store. */

const password = 'correct horse 7 battery'

async function gatewayOn(t: Test, directory?: string) {
  const app = await application(t, (request, response) => {
    request.resume()
    response.end(`for ${request.headers['remote-user'] ?? 'everybody'}`)
  })
  const gateway = await startGateway(t, {
    yaml: `sites: [{ upstream: "${app.url}", rules: [{ path: /open/**, access: public }] }]\nstop: { announce: off }\n`,
    isPlain: true,
    ...(directory === undefined ? {} : { directory }),
  })
  const added = await gateway.run(['user', 'add', 'ann', '--password-stdin'], password)
  if (added.code !== 0) throw new Error(added.stderr)
  return gateway
}

function signIn(t: Test, gateway: RunningGateway, visitor = new Visitor(t, gateway.url)) {
  return visitor.fillIn('/.gatelodge/sign-in', { username: 'ann', password }, '/sign-in')
}

/** @param mend ends the trouble */
async function seeTrouble(t: Test, gateway: RunningGateway, fault: string, cause: () => unknown, mend: () => unknown) {
  const ann = new Visitor(t, gateway.url)
  t.equal((await signIn(t, gateway, ann)).status, 303)
  t.equal((await ann.get('/x')).text, 'for ann')
  await cause()
  await until('a sign-in to fail', async () => (await signIn(t, gateway)).status === 503)
  const no = await quickest(3, () => signIn(t, gateway))
  t.equal(no.value.status, 503)
  t.match(no.value.headers['retry-after'], /^\d+$/)
  t.equal((await ann.get('/x')).text, 'for ann', 'who is signed in goes on')
  t.equal((await new Visitor(t, gateway.url).get('/open/x')).text, 'for everybody')
  const said = () => gateway.logLines().filter(({ dependency }) => dependency === 'store')
  await until('the log to say so', () => said().length === 1)
  const failed = gateway.logLines().find(({ msg }) => msg === 'request failed')
  t.match(failed, { code: 'store.unavailable', reason: /The store could not write/ })
  t.equal(failed?.['err'], undefined, 'in one line')

  await mend()
  const back = await timed(() => until('a sign-in', async () => (await signIn(t, gateway)).status === 303))
  await until('the log to say that, too', () => said().length === 2)
  t.equal((await ann.get('/x')).text, 'for ann')
  const events = async () => (await gateway.run(['audit', 'search', '--event', 'dependency.*', '--json'])).stdout
  await until('both to be in the audit', async () => /dependency\.up[\s\S]*dependency\.down/.test(await events()))
  tell(t, {
    fault,
    saw: 'sign-in 503, who is signed in 200',
    answerMs: no.ms,
    promisedMs: 1000,
    recoverMs: back.ms,
  })
}

const prlimit = findProgram('prlimit')

t.test('no room for another byte', { skip: prlimit === undefined && 'prlimit is not installed' }, async (t) => {
  const gateway = await gatewayOn(t)
  // The limit on the size of a file stands for that of the disk. Pages that are there can be written again, as on a real one
  // that is full: where not even those can, LMDB itself ends the process.
  const limit = (bytes: string | number) => {
    execFileSync(prlimit ?? '', ['--pid', String(gateway.pid()), `--fsize=${bytes}:`])
  }
  await seeTrouble(
    t,
    gateway,
    'no byte more in the data file (RLIMIT_FSIZE)',
    () => limit(statSync(join(gateway.directory, 'data/gatelodge.mdb')).size),
    () => limit('unlimited'),
  )
})

/** A disk of a few megabytes, where this user may make one. */
function smallDisk(t: Test, directory: string): boolean {
  mkdirSync(directory, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0700', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    return false
  }
  t.teardown(() => execFileSync('umount', ['-l', directory], { stdio: 'ignore' }))
  return true
}

t.test('a disk that is full', async (t) => {
  const home = await temporaryDirectory(t)
  const disk = join(home, 'disk')
  if (!smallDisk(t, disk)) {
    t.comment('no disk can be mounted here: the limit above stands for it')
    return
  }
  const gateway = await gatewayOn(t, disk)
  const ballast = join(disk, 'ballast')
  const file = openSync(ballast, 'wx')
  const fill = () => {
    for (const size of [1024 * 1024, 4096]) {
      const bytes = Buffer.alloc(size)
      try {
        while (writeSync(file, bytes) === size);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    }
    closeSync(file)
  }
  await seeTrouble(t, gateway, 'the disk is full (ENOSPC)', fill, () => rmSync(ballast))
  // Each write that LMDB fails to do writes past the end of its own memory (`malloc(100)` for a longer message).
  t.equal(gateway.logs().match(/Attempting to write page/g)?.length, 1, 'what has no room is tried once')
})

t.test('a data directory that cannot be written at the start', async (t) => {
  const home = await temporaryDirectory(t)
  const disk = join(home, 'disk')
  if (!smallDisk(t, disk)) {
    t.comment('no disk can be mounted here')
    return
  }
  execFileSync('mount', ['-o', 'remount,ro', disk])
  const file = join(home, 'gatelodge.yaml')
  writeFileSync(
    file,
    `listen: 127.0.0.1:0\nsites: [{ upstream: "http://127.0.0.1:1" }]\nstore: { use: embedded, path: ${disk}/data }\n`,
  )
  const ended = await timed(() => runGatelodge(['start', '--config', file]))
  t.equal(ended.value.code, 1)
  t.match(ended.value.stderr, /read-only file system/i)
  t.notMatch(ended.value.stderr, /^\s+at /m, 'in words, without a stack')
  tell(t, {
    fault: 'the data directory is read-only at the start',
    saw: 'the gateway ends with code 1 and says why',
    answerMs: ended.ms,
  })
})

const strace = findProgram('strace')

/** Some machines have it and let nobody look into another process. */
async function canTrace(t: Test): Promise<boolean> {
  if (strace === undefined) return false
  const other = spawn('sleep', ['60'], { stdio: 'ignore' })
  const calls = ['-e', 'trace=fsync', '-e', 'inject=fsync:error=EIO']
  const tracer = spawn(strace, ['-p', String(other.pid), ...calls, '-o', '/dev/null'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.teardown(() => [tracer, other].map((each) => each.kill('SIGKILL')))
  const [said] = await Promise.race([once(tracer.stderr, 'data'), once(tracer, 'exit').then(() => [''])])
  return String(said).includes('attached')
}

t.test(
  'a disk that fails to keep what it was told to',
  { skip: strace === undefined && 'skipped: strace is not installed (apt-get install strace)' },
  async (t) => {
    if (!(await canTrace(t))) {
      t.comment('nobody may look into another process here: the full disks above stand for it')
      return
    }
    const gateway = await gatewayOn(t)
    const calls = 'fsync,fdatasync,msync'
    let tracer: ReturnType<typeof spawn> | undefined
    t.teardown(() => tracer?.kill('SIGKILL'))
    const attach = async () => {
      const args = ['-f', '-p', String(gateway.pid()), '-e', `trace=${calls}`, '-e', `inject=${calls}:error=EIO`]
      tracer = spawn(strace ?? '', [...args, '-o', '/dev/null'], { stdio: ['ignore', 'ignore', 'pipe'] })
      let said = ''
      tracer.stderr?.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
      await until('it to look on', () => said.includes('attached'))
    }
    const detach = async () => {
      const gone = tracer === undefined ? undefined : once(tracer, 'exit')
      tracer?.kill('SIGINT')
      await gone
    }
    await seeTrouble(t, gateway, 'the disk fails to flush (fsync: EIO)', attach, detach)
  },
)
