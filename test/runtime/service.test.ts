import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { runGatelodge, startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { slowApplication } from './keeper.js'

t.setTimeout(120_000)

const deploy = fileURLToPath(new URL('../../../deploy/', import.meta.url))

t.test('systemd hears that the gateway is ready, reads anew, stops, and lives', async (t) => {
  const application = await slowApplication(t)
  const directory = await temporaryDirectory(t)
  const heard = join(directory, 'heard')
  await mkdir(join(directory, 'bin'))
  const notify = join(directory, 'bin', 'systemd-notify')
  await writeFile(notify, `#!/bin/sh\necho "$@" >> ${heard}\n`)
  await chmod(notify, 0o755)
  const gateway = await startGateway(t, {
    directory,
    yaml: `sites: [{ upstream: "${application.url}" }]\nstop: { announce: off }\n`,
    environment: {
      PATH: `${join(directory, 'bin')}:${process.env['PATH']}`,
      NOTIFY_SOCKET: '/run/none',
      WATCHDOG_USEC: '1000000',
    },
  })
  const lines = async () => (await readFile(heard, 'utf8').catch(() => '')).split('\n')
  await until('a word that it lives', async () => (await lines()).includes('WATCHDOG=1'))
  t.equal((await lines())[0], 'READY=1 STATUS=Serving requests')
  t.equal((await gateway.run(['reload'])).code, 0)
  await until('the end of the reload', async () => {
    const all = await lines()
    return (
      all.indexOf('RELOADING=1 STATUS=Reading the configuration anew') > 0 &&
      all.filter((line) => line.startsWith('READY=1')).length === 2
    )
  })
  t.equal(await gateway.stop(), '0')
  t.ok((await lines()).some((line) => line.startsWith('STOPPING=1')))
})

t.test('the files for running it are right', async (t) => {
  const files = await readdir(deploy)
  for (const file of files.filter((name) => name.startsWith('gatelodge') && name.endsWith('.yaml'))) {
    const directory = await temporaryDirectory(t)
    await writeFile(join(directory, 'key'), `${randomBytes(32).toString('base64')}\n`)
    // The key is mounted where the gateway runs, and nowhere else.
    const yaml = (await readFile(join(deploy, file), 'utf8')).replace('/run/secrets/gatelodge-key', './key')
    await writeFile(join(directory, file), yaml)
    const { code, stderr } = await runGatelodge(['check', '--config', join(directory, file)])
    t.equal(code, 0, `${file}: ${stderr}`)
  }
  for (const file of files.filter((name) => name.startsWith('compose'))) {
    const { services } = parse(await readFile(join(deploy, file), 'utf8'), { merge: true }) as {
      services: Record<string, { volumes?: string[] }>
    }
    for (const { volumes = [] } of Object.values(services)) {
      const mounted = volumes.flatMap((one) => /^\.\/([^:]+):/.exec(one)?.[1] ?? [])
      for (const name of mounted) t.ok(files.includes(name), `${file} mounts ${name}`)
    }
  }
})
