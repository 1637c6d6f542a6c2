import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram, skipWithout } from './installed.js'
import type { Scope } from './scope.js'
import { temporaryDirectory } from './temporary-directory.js'

const run = promisify(execFile)
const certutil = findProgram('certutil')
const openssl = findProgram('openssl')

/** For tap's `skip`. */
export const skipWithoutAuthority = () => skipWithout('certutil', certutil) || skipWithout('openssl', openssl)

/** A certificate for these names by an authority of the test's own, and a home directory in whose browser that one is trusted. */
export async function ownAuthority(t: Scope, names: readonly string[]) {
  if (certutil === undefined || openssl === undefined) throw new Error('certutil or openssl is not installed')
  const directory = await temporaryDirectory(t)
  const home = join(directory, 'home')
  const at = (name: string) => join(directory, name)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const authority = ['-x509', '-days', '2', '-subj', '/CN=Tests of one sign-in', '-addext', 'keyUsage=keyCertSign']
  await run(openssl, ['req', ...key, ...authority, '-keyout', at('ca.key'), '-out', at('ca.pem')])
  await run(openssl, ['req', ...key, '-subj', '/CN=gateway', '-keyout', at('key.pem'), '-out', at('request.pem')])
  const extensions = `subjectAltName=${names.map((name) => `DNS:${name}`).join()}\nextendedKeyUsage=serverAuth\n`
  await writeFile(at('extensions'), extensions)
  const signed = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2']
  await run(openssl, [
    'x509',
    '-req',
    ...['-in', at('request.pem'), ...signed, '-extfile', at('extensions'), '-out', at('cert.pem')],
  ])
  for (const folder of ['.pki/nssdb', '.local/share/pki/nssdb']) {
    const database = join(home, folder)
    await mkdir(database, { recursive: true })
    await run(certutil, ['-N', '-d', `sql:${database}`, '--empty-password'])
    await run(certutil, ['-A', '-d', `sql:${database}`, '-t', 'C,,', '-n', 'tests', '-i', at('ca.pem')])
  }
  return {
    home,
    key: await readFile(at('key.pem')),
    cert: await readFile(at('cert.pem')),
    ca: await readFile(at('ca.pem')),
  }
}
