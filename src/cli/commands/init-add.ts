import { readFile, writeFile } from 'node:fs/promises'
import { isSeq, parseDocument } from 'yaml'
import { done, failed, wrongUse } from '../../exit-codes.js'
import { complain, say, type Terminal } from '../terminal.js'
import { check } from './check.js'
import { faultOfAddress, scalar } from './init-text.js'

/** As given on the command line. */
export interface AddSiteOptions {
  readonly config: string
  readonly upstream?: string
  readonly url?: string
  readonly name?: string
  readonly identity?: string
}

/** `gatelodge init --add`: one site more in the file that is there. Everything else in it stays as it is written, comments included. */
export async function addSite(options: AddSiteOptions, terminal: Terminal): Promise<number> {
  const { config: file, upstream, url } = options
  if (upstream === undefined || url === undefined) {
    return complain(
      terminal,
      wrongUse,
      'Say which application: --add takes --upstream and --url, and --name if you like.',
    )
  }
  const wrong = faultOfAddress(upstream) ?? faultOfAddress(url)
  if (wrong !== undefined) return complain(terminal, wrongUse, wrong)
  let before: string
  try {
    before = await readFile(file, 'utf8')
  } catch (fault) {
    return complain(terminal, failed, `${file} could not be read: ${(fault as Error).message}`)
  }
  const after = withSite(before, options.name, url, upstream, options.identity)
  if (after === undefined) {
    return complain(
      terminal,
      failed,
      `${file} has no list of sites to add to: add one by hand, and see gatelodge check.`,
    )
  }
  await writeFile(file, after)
  let problems = ''
  const write = (said: string) => {
    problems += said
  }
  const checking = { env: process.env, stdout: { write: () => {} }, stderr: { write } }
  if ((await check({ config: file }, checking)) !== 0) {
    await writeFile(file, before)
    return complain(terminal, wrongUse, `${problems}${file} stays as it was.`)
  }
  const where = file === 'gatelodge.yaml' ? '' : ` --config ${file}`
  say(
    terminal,
    `Added ${new URL(url).host} to ${file}.\n\nNext:\n  gatelodge reload${where}  # for a gateway that runs\n\n` +
      `Let what has the certificate for ${new URL(url).host} pass everything to the gateway, too.`,
  )
  return done
}

/** Put in as text, behind the last site: what a YAML library writes anew loses how somebody had it. */
function withSite(
  text: string,
  name: string | undefined,
  url: string,
  upstream: string,
  identity: string | undefined,
): string | undefined {
  const sites = parseDocument(text).get('sites')
  const last = isSeq(sites) ? (sites.items.at(-1) as { range?: [number, number, number] } | undefined) : undefined
  if (!isSeq(sites) || last?.range == null || sites.range == null) return undefined
  const entries = [
    `host: ${scalar(new URL(url).hostname)}`,
    ...(name === undefined ? [] : [`name: ${JSON.stringify(name)}`]),
    `upstream: ${JSON.stringify(new URL(upstream).origin)}`,
    ...(identity === undefined ? [] : [`identity: ${scalar(identity)}`]),
  ]
  const site = `{ ${entries.join(', ')} }`
  const [, end] = last.range
  if (sites.flow) return `${text.slice(0, end)}, ${site}${text.slice(end)}`
  const [start] = sites.range
  const indent = ' '.repeat(start - (text.lastIndexOf('\n', start - 1) + 1))
  // A block ends where the next key begins: its last line may have a comment behind it.
  const lineEnd = text.slice(0, end).endsWith('\n') ? end : text.indexOf('\n', end) + 1
  const at = lineEnd === 0 ? text.length : lineEnd
  const head = text.slice(0, at)
  return `${head}${head.endsWith('\n') ? '' : '\n'}${indent}- ${site}\n${text.slice(at)}`
}
