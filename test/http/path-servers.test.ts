import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { decodeEscapes } from '../../src/access/targets/canonical-target.js'
import { oddTarget, withWays } from '../../src/access/targets/odd-target.js'
import { foldCase } from '../../src/access/targets/path-pattern.js'
import { findProgram, skipWithout } from '../support/installed.js'
import { skipWithoutProxy } from '../support/other-proxies.js'
import { caddyPaths, nginxPaths, nodePaths, type PathServer, pythonPaths, undecoded } from '../support/path-servers.js'
import type { Scope } from '../support/scope.js'

/**
 * What is let pass although programs read it in different ways is judged by each way. So whatever a real server makes of such a
 * path has to be one of the ways that were judged.
 */

t.setTimeout(600_000)

const piece = fc.constantFrom(
  ...['/', '//', 'a', 'admin', 'x.y', '%2F', '%2f', '\\', '%5c', '%2520', '%252F', '%255C', '%2541', '%61'],
  ...[';v=1', '%3B', '%20', '.txt', '%C3%A9', '%25u0041', '~', '-', '/a', 'a/'],
)
/** Hosts in front of a path, schemes and drives besides, which some take apart. */
const start = fc.constantFrom('/', '/', '/', '//', '///', '/\\', '/%2f', '/%5C', '/http:/', '/http://h/', '/c:/')
const targets = fc
  .sample(fc.tuple(start, fc.array(piece, { minLength: 1, maxLength: 7 }), fc.constantFrom('', '?q=%2f//x')), {
    numRuns: 300,
    seed: 19,
  })
  .map(([first, pieces, query]) => first + pieces.join('') + query)
  .flatMap((raw) => {
    const odd = oddTarget(raw)
    const ways = odd && withWays(odd)?.ways
    return ways === undefined ? [] : [{ raw, ways }]
  })

const servers: readonly (readonly [string, string | false, (t: Scope) => Promise<PathServer>])[] = [
  ['nginx', skipWithout('nginx', findProgram('nginx')), nginxPaths],
  ['Node', false, nodePaths],
  ['wsgiref', skipWithout('python3', findProgram('python3')), (t) => pythonPaths(t, 'wsgiref')],
  ['werkzeug', hasWerkzeug() ? false : 'Werkzeug is not installed', (t) => pythonPaths(t, 'werkzeug')],
  ['Caddy', skipWithoutProxy('caddy'), caddyPaths],
]

for (const [name, skip, open] of servers) {
  t.test(`${name} reads no path in a way that was not judged`, { skip }, async (t) => {
    const server = await open(t)
    let read = 0
    const unjudged: string[] = []
    const look = async ({ raw, ways }: (typeof targets)[number]) => {
      const known = new Set(ways.map(comparable))
      for (const path of await server.paths(raw)) {
        read++
        if (!known.has(comparable(path))) unjudged.push(`${raw} is ${path}, of ${ways.join(' ')}`)
      }
    }
    for (let at = 0; at < targets.length; at += 20) await Promise.all(targets.slice(at, at + 20).map(look))
    t.same(unjudged.slice(0, 20), [])
    t.ok(targets.length > 100, `${targets.length} targets`)
    t.ok(read >= targets.length, `${read} readings`)
  })
}

/** A path that the server did not decode is compared as rules see it. The slash at the end is one of the readings. */
function comparable(path: string): string {
  const decoded = path.startsWith(undecoded)
    ? (decodeEscapes(path.slice(undecoded.length), /(?:%(?!2f)[0-9a-f]{2})+/gi) ?? path)
    : path
  return foldCase(decoded.replace(/(.)\/$/, '$1'))
}

function hasWerkzeug(): boolean {
  return findProgram('python3') !== undefined && spawnSync('python3', ['-c', 'import werkzeug']).status === 0
}
