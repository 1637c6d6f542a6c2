import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freeze, startChild } from './child.js'
import { freePort } from './free-port.js'
import { findProgram, skipWithout } from './installed.js'
import { localhostCertificate } from './localhost-certificate.js'
import { until } from './poll.js'
import type { Scope } from './scope.js'
import { temporaryDirectory } from './temporary-directory.js'

const program = findProgram('slapd') ?? present('/usr/sbin/slapd')
const loader = findProgram('slapadd') ?? present('/usr/sbin/slapadd')

/** For tap's `skip`. */
export const skipWithoutSlapd = () => skipWithout('slapd', loader === undefined ? undefined : program)

export const BASE = 'dc=example,dc=com'
/** Who may search. Nobody else can. The password has every sign that ends something in a URL. */
export const READER = { dn: `cn=gatelodge,${BASE}`, password: 'p@ss/w#rd%?1' }
/** Who may change everything. */
export const ROOT = { dn: `cn=root,${BASE}`, password: 'the root may write' }

export interface LdapServer {
  readonly url: string
  readonly secureUrl: string
  /** PEM file with the certificate of the server. */
  readonly ca: string
  /** A line for each question it was asked and each answer it gave, since it was started last. */
  log(): string
  stop(): Promise<void>
  start(): Promise<void>
  /** Stops and lets run again without closing anything, as a machine that hangs. */
  freeze(): Promise<void>
  thaw(): void
}

/** An OpenLDAP server of the test's own with these entries below `dc=example,dc=com`. */
export async function startSlapd(t: Scope, entries: string): Promise<LdapServer> {
  if (program === undefined || loader === undefined) throw new Error('slapd is not installed')
  const [slapd, directory] = [program, await temporaryDirectory(t)]
  const file = (name: string) => join(directory, name)
  await mkdir(file('data'))
  await writeFile(file('cert.pem'), localhostCertificate.cert)
  await writeFile(file('key.pem'), localhostCertificate.key)
  await writeFile(file('slapd.conf'), configuration(directory))
  await writeFile(file('entries.ldif'), `${root}\n${entries}`)
  const loaded = spawnSync(loader, ['-q', '-f', file('slapd.conf'), '-l', file('entries.ldif')], { encoding: 'utf8' })
  if (loaded.status !== 0) throw new Error(`slapadd: ${loaded.stderr}`)
  const [port, securePort] = [await freePort(), await freePort()]
  const urls = `ldap://127.0.0.1:${port} ldaps://127.0.0.1:${securePort}`
  const run = async () => {
    const child = startChild(slapd, ['-f', file('slapd.conf'), '-h', urls, '-d', 'stats'])
    await until(
      'slapd to listen',
      () => {
        if (child.ended() !== undefined) throw new Error(`slapd ended with ${child.ended()}:\n${child.output()}`)
        return answers(port)
      },
      30_000,
    )
    return child
  }
  let child = await run()
  t.teardown(() => child.end('SIGKILL'))
  return {
    url: `ldap://127.0.0.1:${port}`,
    secureUrl: `ldaps://localhost:${securePort}`,
    ca: file('cert.pem'),
    log: () => child.output(),
    async stop() {
      await child.end('SIGKILL')
    },
    async start() {
      child = await run()
    },
    freeze: () => freeze(child.pid),
    thaw: () => void process.kill(child.pid, 'SIGCONT'),
  }
}

const root = `dn: ${BASE}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,${BASE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,${BASE}
objectClass: organizationalUnit
ou: groups

dn: ${READER.dn}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: gatelodge
userPassword: ${READER.password}
`

/** As much of Active Directory as its users are read by. */
const activeDirectory = `
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.2 NAME 'objectGUID' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.782 NAME 'objectCategory' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP organizationalPerson STRUCTURAL
  MAY ( sAMAccountName $ objectGUID $ userAccountControl $ objectCategory $ mail $ mobile ) )
`

function configuration(directory: string): string {
  const schema = ['core', 'cosine', 'inetorgperson', 'nis'].map((name) => `include /etc/ldap/schema/${name}.schema`)
  return `${schema.join('\n')}
${activeDirectory}
pidfile ${directory}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
TLSCertificateFile ${directory}/cert.pem
TLSCertificateKeyFile ${directory}/key.pem
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${READER.dn}" read by anonymous auth by * none
database mdb
maxsize 16777216
suffix "${BASE}"
rootdn "${ROOT.dn}"
rootpw "${ROOT.password}"
directory ${directory}/data
overlay memberof
`
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function present(path: string): string | undefined {
  return existsSync(path) ? path : undefined
}
