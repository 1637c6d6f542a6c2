import { distance } from './nearest.js'

const stems = ['password', 'passwd', 'passphrase', 'secret', 'token', 'credential', 'private', 'signature', 'bearer']
const shortStems = ['pass', 'pwd', 'auth', 'apikey', 'key', 'keys', 'pin', 'sid', 'salt', 'seed', 'cert', 'dsn', 'hmac']

/** Whether a key sounds as if its value were a secret, also when the key is misspelt. */
export function isSecretName(key: string): boolean {
  const words = key
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
  const whole = words.join('')
  if (stems.some((stem) => whole.includes(stem)) || words.some((word) => shortStems.includes(word))) return true
  return words.some((word) => stems.some((stem) => distance(word, stem) <= (stem.length > 6 ? 2 : 1)))
}

/** `${NAME}` and nothing beside it says only where a secret is. */
export function isReference(written: string): boolean {
  return /^["']?(\$\{([A-Za-z_]\w*|file:[^}"']*)\})+["']?$/.test(written)
}

/** Whether a text carries what URLs carry secrets in: a user part, a query, a fragment. */
export function mayCarrySecret(written: string): boolean {
  return /[@?#]/.test(written) || written.length > 200
}
