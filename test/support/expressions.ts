import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Token as Parsed, parse } from 'acorn'
import { transformSync } from 'esbuild'

/** A regular expression as it stands in a source file. */
export interface Expression {
  readonly file: string
  readonly source: string
  readonly flags: string
}

/** The declarations of acorn leave the value out. */
type Token = Parsed & { readonly value?: unknown }

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Every regular expression of the gateway and its plugins, each once, and where expressions are put together as text. */
export function readExpressions(): { readonly literals: readonly Expression[]; readonly built: readonly string[] } {
  const literals = new Map<string, Expression>()
  const built: string[] = []
  for (const file of ['src', 'plugins'].flatMap(sourcesIn)) {
    const tokens = tokensOf(readFileSync(join(root, file), 'utf8'))
    for (const [index, { type, value }] of tokens.entries()) {
      if (type.label === 'regexp') {
        const { pattern, flags } = value as { pattern: string; flags: string }
        literals.set(`/${pattern}/${flags}`, { file, source: pattern, flags })
      } else if (value === 'RegExp' && ['(', 'new'].includes(tokens[index + 1]?.type.label ?? '')) built.push(file)
    }
  }
  return { literals: [...literals.values()], built }
}

function sourcesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name.split(sep).join('/')}`)
}

function tokensOf(typescript: string): Token[] {
  const tokens: Token[] = []
  const { code } = transformSync(typescript, { loader: 'ts', target: 'esnext' })
  parse(code, { ecmaVersion: 'latest', sourceType: 'module', onToken: tokens })
  return tokens
}
