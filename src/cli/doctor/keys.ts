import { statSync } from 'node:fs'
import type { Store } from '../../contracts.js'
import { sentenceOf } from '../../runtime/error-text.js'
import { kidsOf } from '../../secrets/marker.js'
import { changeableFile, type KeySettings, readKeys } from '../../secrets/open-secrets.js'
import { countSealed } from '../../secrets/reseal.js'
import { type DoctorFinding, fail, ok, warn } from './finding.js'

const what = 'keys'

/** Whether the keys are here that the store was sealed with, who can read them, and whether anything lies in the clear. */
export async function examineKeys(store: Store, settings: KeySettings): Promise<DoctorFinding[]> {
  const file = changeableFile(settings)
  const place = file ?? 'secrets.key'
  try {
    const ring = readKeys(settings)
    const needed = await kidsOf(store)
    if (ring === undefined && needed === undefined) {
      return [warn(what, 'there is none yet, and secrets lie in the clear', 'the next start makes one and seals them')]
    }
    const { byKid, clear } = await countSealed(store)
    const kids = new Set([...(needed ?? []), ...byKid.keys()])
    const missing = [...kids].filter((kid) => ring?.find(kid) === undefined)
    if (ring === undefined || missing.length > 0) {
      const todo = `put it back into ${place}, or name it under secrets.oldKeys`
      return [fail(what, `the store was sealed with ${missing.join(', ')}, which is not in ${place}`, todo)]
    }
    const findings = file === undefined ? [] : examineFile(file)
    const old = [...kids].filter((kid) => kid !== ring.current.kid)
    if (old.length > 0) {
      findings.push(
        warn(what, `some of the store is sealed with the older key ${old.join(', ')}`, 'gatelodge keys rotate'),
      )
    }
    if (clear > 0) {
      const todo = 'start the gateway: it seals them; those that stay were written by something else, and are refused'
      findings.push(warn(what, `${clear} secrets in the store lie in the clear`, todo))
    }
    const sealed = [...byKid.values()].reduce((sum, count) => sum + count, 0)
    return findings.length > 0 ? findings : [ok(what, `${place} opens all of ${sealed} secrets in the store`)]
  } catch (fault) {
    return [fail(what, sentenceOf(fault), 'without the key no second factor can be read')]
  }
}

function examineFile(file: string): DoctorFinding[] {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat === undefined || (stat.mode & 0o077) === 0) return []
  return [warn(what, `${file} can be read by others`, `chmod 600 ${file}`)]
}
