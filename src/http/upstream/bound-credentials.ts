/**
 * Schemes that sign in the connection and not the message: NTLM and Negotiate with Kerberos (RFC 4559, 6), and what Microsoft
 * made after them. Whoever speaks on such a connection next is taken for the person who signed in on it. Looked for at the
 * beginning of every word, since fields may have been joined; a word too many costs a connection, one too few a mailbox.
 */
const boundScheme = /(?:^|[\s,])(?:ntlm|nego|spnego|kerberos|krb5|gss|passport|livessp|pku2u|sspi|schannel)/i

/** What servers say of themselves when a connection is signed in: `Persistent-Auth: true`, `Proxy-Support: Session-…`. */
const saysBound = /^(?:true|session-based-authentication)\b/i

/** Whether credentials or a challenge are of a scheme that signs in the connection. */
export function isBoundScheme(value: string): boolean {
  return boundScheme.test(value)
}

/** Whether the value of `Persistent-Auth` or `Proxy-Support` says that the connection is signed in. */
export function isSaidBound(value: string): boolean {
  return saysBound.test(value)
}

/** Whether a request signs its connection in. Every `Authorization` field is looked at: servers differ in which they take. */
export function signsInConnection(headers: readonly string[]): boolean {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]
    if (name?.length === 13 && name.toLowerCase() === 'authorization' && isBoundScheme(headers[at + 1] ?? ''))
      return true
  }
  return false
}
