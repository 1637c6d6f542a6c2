import { appendFileSync } from 'node:fs'

/** What users saw of one fault. Times in ms. */
export interface Seen {
  readonly fault: string
  /** What was answered, as in `503, then 200`. */
  readonly saw: string
  /** How long the answer that was affected took: of several the quickest, since these machines have other things to do. */
  readonly answerMs?: number
  /** No answer may take longer. A promise of the gateway on a machine that has time for it: `npm run faults` judges it. */
  readonly promisedMs?: number
  /** From the end of the fault until everything was as before. */
  readonly recoverMs?: number
  readonly more?: string
}

/** Names the file that {@link tell} writes to, for `npm run faults`. */
export const tableVariable = 'GATELODGE_FAULTS_TABLE'

/** Says it in the output of the test, and to whoever collects. */
export function tell(t: { comment(text: string): void }, seen: Seen): void {
  t.comment(rowOf(seen))
  const file = process.env[tableVariable]
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(seen)}\n`)
}

/** Whether the answer took longer than is promised. */
export const isLate = ({ answerMs = 0, promisedMs = Number.POSITIVE_INFINITY }: Seen): boolean => answerMs > promisedMs

export function rowOf(seen: Seen): string {
  const { fault, saw, answerMs, promisedMs, recoverMs, more } = seen
  const times = [
    ...(answerMs === undefined ? [] : [`answered in ${Math.round(answerMs)} ms`]),
    ...(isLate(seen) ? [`LATE: ${promisedMs} ms are promised`] : []),
    ...(recoverMs === undefined ? [] : [`as before after ${Math.round(recoverMs)} ms`]),
    ...(more === undefined ? [] : [more]),
  ]
  return `${fault}: ${saw}${times.length === 0 ? '' : ` (${times.join('; ')})`}`
}

export interface Timed<Value> {
  readonly value: Value
  readonly ms: number
}

/** How long it took. */
export async function timed<Value>(work: () => Promise<Value>): Promise<Timed<Value>> {
  const since = performance.now()
  const value = await work()
  return { value, ms: performance.now() - since }
}

/** The quickest of several: what the gateway needs, with the least of what the machine did besides. */
export async function quickest<Value>(times: number, work: () => Promise<Value>): Promise<Timed<Value>> {
  let best = await timed(work)
  for (let round = 1; round < times; round += 1) {
    const next = await timed(work)
    if (next.ms < best.ms) best = next
  }
  return best
}
