import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { count, formatProblems } from '../../config/problem.js'
import type { Config } from '../../config/schema.js'
import { warningsAbout } from '../../config/warnings.js'
import { checkConfig } from '../../plugin-host/check-config.js'
import { createLog } from '../../runtime/log/log.js'

/** What `gatelodge check` is asked. */
export interface CheckArguments {
  /** The YAML file; `gatelodge.yaml` in this directory unless told otherwise. */
  readonly config?: string | undefined
  /** Answers in JSON, for scripts. */
  readonly json?: boolean | undefined
}

/** Where a command reads and writes. */
export interface CheckTerminal {
  readonly env: NodeJS.ProcessEnv
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

/**
 * Says whether a file is right in every part, plugins and their options included. Nothing is started, and of the store alone is
 * read whether passkeys that people have would be useless with this file.
 */
export async function check(args: CheckArguments, { env, stdout, stderr }: CheckTerminal = process): Promise<0 | 2> {
  const file = args.config ?? 'gatelodge.yaml'
  const checked = await checkConfig(file, env)
  const problems = 'problems' in checked ? checked.problems : []
  const warnings = 'config' in checked ? warningsAbout(checked.config).map((text) => `${file}:${text}`) : []
  const lost = 'config' in checked ? await lostPasskeys(checked.config) : []
  const isFine = problems.length === 0 && lost.length === 0
  const said = {
    file,
    ok: isFine,
    problems,
    ...(lost.length > 0 && { lost }),
    ...(warnings.length > 0 && { warnings }),
  }
  if (args.json) stdout.write(`${JSON.stringify(said, null, 2)}\n`)
  else if ('config' in checked && !isFine) for (const sentence of lost) stderr.write(`${file}: ${sentence}\n`)
  else if ('config' in checked) {
    stdout.write(`${file} is fine: ${summary(checked.config)}\n`)
    for (const line of profileLines(checked.config)) stdout.write(`${line}\n`)
    for (const warning of warnings) stdout.write(`WARNING ${warning}\n`)
  } else stderr.write(formatProblems(file, problems))
  return isFine ? 0 : 2
}

/** Where there is a store to look at: a file may be checked long before its gateway runs, and elsewhere. */
async function lostPasskeys(config: Config): Promise<readonly string[]> {
  if (!config.secondFactor.methods.some(({ use }) => use === 'passkey' || use.includes('/'))) return []
  const { use, path } = config.store
  const place = resolve(config.baseDirectory, typeof path === 'string' ? path : 'data')
  if (use === 'embedded' && !existsSync(place)) return []
  try {
    const { lookForLostPasskeys } = await import('../../app.js')
    return await lookForLostPasskeys(config, { log: createLog('silent', process.stderr), now: () => Date.now() })
  } catch {
    // A store that does not answer is no mistake of the file; the gateway looks again when it starts.
    return []
  }
}

/** What the profile of the file sets, and what it leaves to say. */
export function profileLines({ profile }: Pick<Config, 'profile'>): readonly string[] {
  if (profile === undefined) return []
  const { name, sets } = profile
  return [`profile ${name} sets ${sets.length === 0 ? 'nothing: the file says all of it' : sets.join(', ')}`]
}

function summary({ sites, networks, secondFactor }: Config): string {
  const rules = sites.reduce((sum, site) => sum + site.rules.length, 0)
  const methods = secondFactor.methods.map(({ use }) => use).join(', ')
  return [count(sites.length, 'site'), count(rules, 'rule'), count(networks.length, 'network'), methods].join(', ')
}
