import { generateSync } from 'otplib'

/**
 * What an authenticator app shows for a key at a time.
 * @param key base 32, spaces and case do not matter
 * @param at milliseconds since 1970
 */
export function codeAt(key: string, at: number): string {
  return generateSync({ secret: key.replace(/\s/g, '').toUpperCase(), epoch: Math.floor(at / 1000) })
}

/**
 * The code of now, after a step that was used already is over: an answer is taken once only, so a second sign-in within the
 * same 30 seconds has to wait. `usedAt` is when the last code was made.
 */
export async function freshCode(key: string, usedAt?: number): Promise<string> {
  const stepOf = (at: number) => Math.floor(at / 30_000)
  if (usedAt !== undefined && stepOf(usedAt) === stepOf(Date.now())) {
    const waitMs = (stepOf(usedAt) + 1) * 30_000 - Date.now()
    await new Promise((resolve) => setTimeout(resolve, waitMs + 50))
  }
  return codeAt(key, Date.now())
}

/**
 * Waits, if need be, until a code made now and the one before it both stay good for some seconds: the key of an app can be
 * confirmed with the code before (`codeAt(key, Date.now() - 30_000)`) and used at once with the one of now.
 */
export async function untilTwoCodesAreGood(): Promise<void> {
  const leftMs = 30_000 - (Date.now() % 30_000)
  if (leftMs < 8_000) await new Promise((resolve) => setTimeout(resolve, leftMs + 50))
}
