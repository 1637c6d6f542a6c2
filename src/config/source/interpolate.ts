import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'

const mostBytes = 65_536

/** What a text becomes, and what was wrong on the way. Neither repeats a value that was read. */
export interface Interpolated {
  readonly text: string
  /** Whether anything came from outside the file: such a value is never shown. */
  readonly fromOutside: boolean
  readonly faults: readonly string[]
}

/**
 * `${NAME}` from the environment and `${file:/path}` from a file (line ends at its end dropped, with blanks before them, as
 * `echo secret > file` writes them on Windows), anywhere in a text;
 * `$${` stands for `${` itself. What was read is not read again for more.
 */
export function interpolate(text: string, env: NodeJS.ProcessEnv, baseDirectory: string): Interpolated {
  const faults: string[] = []
  let fromOutside = false
  const replaced = text.replace(/\$\$\{|\$\{([^}]*)(\}?)/g, (whole, name: string | undefined, end: string) => {
    if (name === undefined) return '${'
    fromOutside = true
    const value = end === '' ? undefined : read(name, env, baseDirectory)
    if (value?.found !== undefined) return value.found
    faults.push(value?.fault ?? 'has a ${ without a }; write $${ for the characters themselves')
    return whole
  })
  return { text: replaced, fromOutside, faults }
}

function read(name: string, env: NodeJS.ProcessEnv, baseDirectory: string): { found?: string; fault?: string } {
  if (name.startsWith('file:')) return readSecretFile(name.slice('file:'.length), baseDirectory)
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,200}$/.test(name)) {
    return { fault: 'has a ${…} that is neither a name of the environment nor file:/path' }
  }
  const found = Object.hasOwn(env, name) ? env[name] : undefined
  return found === undefined ? { fault: `needs ${name}, which is not set in the environment` } : { found }
}

/** Without a search that begins anew at every blank. Blanks that no line end follows are a part of the secret. */
function withoutLineEnds(text: string): string {
  const kept = text.trimEnd()
  const end = text.slice(kept.length)
  return end.includes('\n') ? kept : text
}

function readSecretFile(path: string, baseDirectory: string): { found?: string; fault?: string } {
  if (path === '' || path.includes('\0')) return { fault: 'has a ${file:} without a path' }
  try {
    const absolute = resolve(baseDirectory, path)
    const stat = statSync(absolute)
    if (!stat.isFile()) return { fault: 'names something with ${file:…} that is not a file' }
    if (stat.size > mostBytes) return { fault: `names a file over ${mostBytes} bytes with \${file:…}` }
    const found = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(absolute))
    return { found: withoutLineEnds(found) }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'ENOENT') return { fault: 'names a file with ${file:…} that does not exist' }
    if (code === 'EACCES') return { fault: 'names a file with ${file:…} that may not be read' }
    return { fault: 'names a file with ${file:…} that cannot be read as UTF-8 text' }
  }
}
