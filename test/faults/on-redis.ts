import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '@keyv/redis'
import type { Test } from 'tap'
import { application } from '../support/front-door.js'
import { housePassword, type OpenHouse, signIn, startHouse } from '../support/house.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import type { Visitor } from '../support/visitor.js'

/** Gateways that keep everything but their users in Redis: these are in a file, so that an empty store does not forget them. */

/** Rules with something for everybody and something for those signed in. */
const rules = '[{ path: /public/**, access: public }]'

/** @param where the server is, as the store's options say it */
export async function gatewaysOn(t: Test, where: string, count: number): Promise<readonly OpenHouse[]> {
  const app = await application(t, (request, response) => {
    request.resume()
    response.end(`for ${request.headers['remote-user'] ?? 'everybody'}`)
  })
  const home = await temporaryDirectory(t)
  const users = join(home, 'users')
  await writeFile(users, `ann:${await bcryptOf(housePassword)}\n`)
  const yaml = `
publicUrl: http://localhost
sites: [{ upstream: "${app.url}", identity: remote-user, rules: ${rules} }]
users: { use: htpasswd, file: "${users}" }
store: { use: redis, ${where} }
`
  const houses: OpenHouse[] = []
  for (let index = 0; index < count; index += 1) {
    houses.push(await startHouse(t, { yaml, directory: join(home, String(index)) }))
  }
  return houses
}

/** As the program htpasswd writes it. */
async function bcryptOf(password: string): Promise<string> {
  const { hash: bcrypt } = await import('bcryptjs')
  return bcrypt(password, 4)
}

export async function signedIn(core: OpenHouse): Promise<Visitor> {
  const visitor = core.visitor()
  const answer = await signIn(visitor, 'ann')
  if (answer.status !== 303) throw new Error(`${answer.status} ${answer.text}`)
  return visitor
}

/** A request of a program in a session: no redirects. */
export const asked = (visitor: Visitor, path = '/x') =>
  visitor.send('GET', path, { headers: { accept: 'application/json' } })

/** A client of the server itself. */
export async function control(t: Test, url: string) {
  const client = createClient({ url })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.destroy())
  return client
}
