import { z } from 'zod'
import { filePath } from '../../../src/plugin-kit.js'

const serverUrl = z.string().regex(/^ldaps?:\/\/(\[[0-9a-f:.]+\]|[^\s/?#@:[\]]+)(:\d{1,5})?\/?$/i, {
  error:
    'must be ldaps://host or ldap://host, with :port where it is another; who searches stands in bind: { dn, password }',
})
const filter = z.string().regex(/^\(.+\)$/s, 'must be a filter in parentheses, as in (objectClass=person)')
const attribute = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9-]{0,100}$/, 'must be the name of an attribute')
  .optional()
const scope = z.enum(['sub', 'one']).default('sub')

export const settings = z
  .strictObject({
    /** Of several, the next is asked when one does not answer. */
    url: z.union([serverUrl, z.array(serverUrl).min(1).max(8)]),
    /** Encrypts an ldap:// connection before anything is said on it. */
    startTls: z.boolean().default(false),
    /** Lets passwords travel in the clear to another machine. */
    insecure: z.boolean().default(false),
    /** PEM file of an authority of one's own. Certificates are always verified. */
    ca: filePath().optional(),
    /** Who searches; nobody in particular when left out. */
    bind: z.strictObject({ dn: z.string().min(1), password: z.string().min(1) }).optional(),
    /** Where users are searched. */
    base: z.string().min(1),
    scope,
    /** What the options below are unless they are given. */
    preset: z.enum(['openldap', 'active-directory']).default('openldap'),
    /** Who is a user. */
    filter: filter.optional(),
    /** Of the users, who may not sign in. They are as if they were not there. */
    disabled: filter.optional(),
    attributes: z
      .strictObject({
        id: attribute,
        username: attribute,
        displayName: attribute,
        email: attribute,
        mobile: attribute,
        memberOf: attribute,
      })
      .prefault({}),
    /** Searches groups beside reading them off the user; {dn} and {username} are filled in. */
    groups: z
      .strictObject({
        base: z.string().min(1),
        scope,
        filter: filter
          .refine((text) => /\{(dn|username)\}/.test(text), 'must name {dn} or {username}')
          .default('(|(member={dn})(uniqueMember={dn})(memberUid={username}))'),
        name: z.string().min(1).default('cn'),
      })
      .optional(),
    /** For one question and its answer. */
    timeoutSeconds: z.number().positive().max(60).default(0.9),
    connections: z.int().min(1).max(64).default(4),
  })
  .superRefine(({ url, startTls, insecure }, context) => {
    for (const text of [url].flat()) {
      const { protocol, hostname } = new URL(text)
      if (protocol === 'ldaps:' && startTls) {
        context.addIssue({ code: 'custom', path: ['startTls'], message: 'is for ldap:// only: ldaps:// is encrypted' })
      }
      if (protocol !== 'ldap:' || startTls || insecure || /^(localhost|127\..*|\[::1\])$/.test(hostname)) continue
      const message = 'would send passwords in the clear: use ldaps://, or startTls: true, or say insecure: true'
      context.addIssue({ code: 'custom', path: ['url'], message })
    }
  })

export type LdapSettings = z.output<typeof settings>

/** What a preset stands for. */
export const presets = {
  openldap: {
    filter: '(objectClass=inetOrgPerson)',
    disabled: undefined,
    id: 'entryUUID',
    username: 'uid',
    displayName: 'displayName',
    email: 'mail',
    mobile: 'mobile',
    memberOf: 'memberOf',
  },
  'active-directory': {
    filter: '(&(objectCategory=person)(objectClass=user))',
    disabled: '(userAccountControl:1.2.840.113556.1.4.803:=2)',
    id: 'objectGUID',
    username: 'sAMAccountName',
    displayName: 'displayName',
    email: 'mail',
    mobile: 'mobile',
    memberOf: 'memberOf',
  },
} as const
