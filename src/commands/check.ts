import { checkConfig } from '../config/load-config.js'
import { type ConfigProblem, formatProblem } from '../config/problem.js'
import type { Config } from '../config/schema.js'

/** What `gatelodge check` is asked. */
export interface CheckArguments {
  /** The YAML file; `gatelodge.yaml` in this directory unless told otherwise. */
  readonly config?: string | undefined
  /** Answers in JSON, for scripts. */
  readonly json?: boolean | undefined
}

/** Where a command reads and writes. */
export interface Terminal {
  readonly env: NodeJS.ProcessEnv
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

/** Says whether a file is right in every part, plugins and their options included. Nothing is opened or started. */
export async function check(args: CheckArguments, { env, stdout, stderr }: Terminal = process): Promise<0 | 2> {
  const file = args.config ?? 'gatelodge.yaml'
  const checked = await checkConfig(file, env)
  const problems = 'problems' in checked ? checked.problems : []
  const warnings = 'config' in checked ? warningsAbout(checked.config).map((text) => `${file}:${text}`) : []
  const said = { file, ok: problems.length === 0, problems, ...(warnings.length > 0 && { warnings }) }
  if (args.json) stdout.write(`${JSON.stringify(said, null, 2)}\n`)
  else if ('config' in checked) {
    stdout.write(`${file} is fine: ${summary(checked.config)}\n`)
    for (const warning of warnings) stdout.write(`WARNING ${warning}\n`)
  } else stderr.write(formatProblems(file, problems))
  return problems.length === 0 ? 0 : 2
}

/** All problems and how many there are, as `check` and `start` print them. */
export function formatProblems(file: string, problems: readonly ConfigProblem[]): string {
  return `${problems.map(formatProblem).join('\n\n')}\n\n${file}: ${count(problems.length, 'mistake')}\n`
}

/** What is right and yet dangerous, each with its line. */
export function warningsAbout({ sites }: Pick<Config, 'sites'>): readonly string[] {
  return sites
    .filter(({ enforce }) => !enforce)
    .map(({ line, host, path }) => {
      const name = `${host ?? 'any host'}${path === '/' ? '' : path}`
      return `${line}  NOT ENFORCED: the site of ${name} lets every request through and only writes down what it would stop`
    })
}

function summary({ sites, networks, secondFactor }: Config): string {
  const rules = sites.reduce((sum, site) => sum + site.rules.length, 0)
  const methods = secondFactor.methods.map(({ use }) => use).join(', ')
  return [count(sites.length, 'site'), count(rules, 'rule'), count(networks.length, 'network'), methods].join(', ')
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
