import type { Core } from '../app.js'
import { setupLink } from '../operations/installation/setup-link.js'
import { Refusal } from '../operations/operation.js'

/** What of a terminal is needed here. */
interface Screen {
  write(text: string): unknown
}

/**
 * Says to whoever started the gateway at a terminal where everything is, and what is still to be done. The link that makes the
 * first owner is shown here and nowhere else: a log is read by more people, and for longer.
 * @param url where it listens, as in `http://127.0.0.1:8080`
 */
export async function welcome(core: Core, url: string, screen: Screen = process.stdout): Promise<void> {
  const { config } = core
  const rows: readonly (readonly [string, string])[] = [
    ['Listens at', url],
    ['People sign in at', config.publicUrl],
    ['The desk is at', `${config.publicUrl}${config.prefix}/admin`],
    ...config.sites.map(({ host, path, upstream }) => {
      const place = `${host ?? 'Every host'}${path === '/' ? '' : path}`
      return [place, `goes to ${upstream}`] as const
    }),
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)
  screen.write(`\n${lines.join('\n')}\n\n${await firstSteps(core)}  Ctrl+C ends it.\n\n`)
}

/** @returns nothing where somebody is an owner, or nobody can be asked: a store that is away is told of elsewhere */
async function firstSteps({ desk, identity: { firstOwner } }: Core): Promise<string> {
  if (!(await firstOwner.isMissing().catch(() => false))) return ''
  const byCommand = { door: 'command-line', role: 'owner', isFresh: true } as const
  const issued = firstOwner.isPossible ? await desk.run(setupLink, {}, byCommand).catch(() => undefined) : undefined
  if (issued === undefined || issued instanceof Refusal) {
    return '  Nobody is an owner yet: gatelodge user role NAME owner makes one of the users of your directory an owner.\n\n'
  }
  return `  Nobody is an owner yet. Open this link within the hour and make yourself the owner:\n\n    ${issued.link}\n\n`
}
