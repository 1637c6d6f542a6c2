/** Where something went, told to somebody who should know it already: `...671`, `a…@e…`. */
export function mask(address: string): string {
  const at = address.lastIndexOf('@')
  if (at < 1) return `...${address.slice(-3)}`
  const [first = ''] = address
  const [host = ''] = address.slice(at + 1)
  return `${first}…@${host}…`
}

/** What a message travels by. */
export type Channel = 'sms' | 'email'

/** How an address is reached. */
export function channelOf(address: string): Channel {
  return address.includes('@') ? 'email' : 'sms'
}
