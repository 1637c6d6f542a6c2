/** Whether it is an http address with a host. */
export function isAddress(text: string): boolean {
  return URL.canParse(text) && /^https?:\/\/[^/]/.test(text)
}

/** Why the text cannot be written down as an address whole, for the person who gave it; `undefined` where it can. */
export function faultOfAddress(text: string): string | undefined {
  if (!isAddress(text)) return `"${text}" is no address: it is one as in https://crm.example.com`
  const { origin, username, password, pathname, search, hash } = new URL(text)
  if (username !== '' || password !== '')
    return `${origin} was given with a name or a password, which has no place in the file.`
  if (pathname === '/' && search === '' && hash === '') return undefined
  return `"${text}" goes on behind the host: give ${origin}. Paths go through as they are asked for; a site of its own for one is in config/reference.yaml.`
}

/** In quotes, unless YAML reads it as it is anyway. */
export function scalar(text: string): string {
  return /^[a-z0-9][\w./:-]*$/i.test(text) && !/:$/.test(text) ? text : JSON.stringify(text)
}
