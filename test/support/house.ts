import { mkdir, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buildGateway, type Core, openCore } from '../../src/app.js'
import { formatProblem } from '../../src/config/problem.js'
import type { Logger } from '../../src/contracts.js'
import { addUser, type NewUser } from '../../src/identity/accounts/add-user.js'
import { checkConfig } from '../../src/plugin-host/check-config.js'
import type { Scope } from './scope.js'
import { keyFor } from './sealer.js'
import { temporaryDirectory } from './temporary-directory.js'
import { Visitor } from './visitor.js'

/** A whole gateway in this process, as `gatelodge start` builds it, with a clock and a log of the test's own. */
export interface OpenHouse {
  readonly core: Core
  readonly url: string
  readonly port: number
  readonly configFile: string
  readonly directory: string
  readonly lines: readonly { readonly level: string; readonly fields: object; readonly message: string }[]
  visitor(): Visitor
  addUser(username: string, more?: Partial<NewUser>): Promise<string>
}

export const housePassword = 'a lamp over the lodge gate'

export async function startHouse(
  t: Scope,
  {
    yaml,
    directory,
    host = '127.0.0.1',
    now = () => Date.now(),
  }: { yaml: string; directory?: string; host?: '127.0.0.1' | '::1' | '::'; now?: () => number },
): Promise<OpenHouse> {
  const home = directory ?? (await temporaryDirectory(t))
  await mkdir(home, { recursive: true })
  const configFile = join(home, 'gatelodge.yaml')
  await writeFile(
    configFile,
    `${keyFor(yaml)}${yaml}${/^store:/m.test(yaml) ? '' : '\nstore: { use: embedded, path: ./data }\n'}`,
  )
  const checked = await checkConfig(configFile, {})
  if ('problems' in checked) throw new Error(checked.problems.map(formatProblem).join('\n'))
  const lines: { level: string; fields: object; message: string }[] = []
  const write = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message })
  const log: Logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  const core = await openCore(checked.config, { log, now })
  const server = await buildGateway(core)
  await server.listen({ host, port: 0 })
  t.teardown(async () => {
    server.server.closeAllConnections()
    await server.close()
    await core.close()
  })
  const { port } = server.server.address() as AddressInfo
  const url = host === '::1' ? `http://[::1]:${port}` : `http://localhost:${port}`
  return {
    core,
    url,
    port,
    configFile,
    directory: home,
    lines,
    visitor: () => new Visitor(t, url),
    async addUser(username, more = {}) {
      const added = await addUser({ ...core, ...core.identity }, { username, password: housePassword, ...more })
      if (added.outcome !== 'added') throw new Error(added.sentence)
      return added.user.id
    },
  }
}

/** Name and password into the sign-in page, on the way to a path, to stay as long as the owner allows. */
export function signIn(visitor: Visitor, username: string, path = '/') {
  const page = `/.gatelodge/sign-in?return=${encodeURIComponent(path)}`
  return visitor.fillIn(page, { username, password: housePassword, keep: 'yes' }, '/sign-in')
}
