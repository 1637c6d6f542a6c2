import { spendBcrypt } from './bcrypt.js'
import { spendMd5Crypt } from './md5-crypt.js'
import { spendPbkdf2 } from './pbkdf2.js'
import { spendPhpass } from './phpass.js'
import { spendScrypt } from './scrypt.js'
import { spendShaCrypt } from './sha-crypt.js'

/**
 * Does the work of a hash of this family, for nobody. A family that is not known has none.
 * @param isRest a hash of the family was computed before, and this is what others of the family ask for beyond it
 */
export async function spendWork(
  { family, work, isRest }: { readonly family: string; readonly work: number; readonly isRest: boolean },
  password: Buffer,
): Promise<void> {
  const [name = '', ...parameters] = family.split('/')
  if (name === 'bcrypt') await spendBcrypt(work, password)
  if (name === 'md5-crypt') spendMd5Crypt(password)
  if (name === 'sha256-crypt') spendShaCrypt('sha256', work, password, isRest)
  if (name === 'sha512-crypt') spendShaCrypt('sha512', work, password, isRest)
  if (name === 'phpass-md5') spendPhpass('md5', work, password)
  if (name === 'phpass-sha512') spendPhpass('sha512', work, password)
  if (name === 'pbkdf2-sha1' || name === 'pbkdf2-sha256' || name === 'pbkdf2-sha512') {
    spendPbkdf2(name.slice('pbkdf2-'.length), work, password)
  }
  if (name === 'scrypt') spendScrypt(parameters.map(Number), password)
}
