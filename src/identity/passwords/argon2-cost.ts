import type { Options } from '@node-rs/argon2'

/** Argon2id, RFC 9106, with the parameters of the OWASP password storage sheet: 19 MiB, two passes, one lane. */
export const argon2Cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 } satisfies Options
