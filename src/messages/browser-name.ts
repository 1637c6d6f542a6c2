/** Tokens of `User-Agent`, the telling ones first: Chrome says Safari too, and everybody says Mozilla. */
const knownBrowsers = [
  ['Edg', 'Edge'],
  ['OPR', 'Opera'],
  ['SamsungBrowser', 'Samsung Internet'],
  ['Firefox', 'Firefox'],
  ['FxiOS', 'Firefox'],
  ['CriOS', 'Chrome'],
  ['Chrome', 'Chrome'],
  ['Safari', 'Safari'],
] as const

const systems = [
  ['iPhone', 'iPhone'],
  ['iPad', 'iPad'],
  ['Android', 'Android'],
  ['Windows', 'Windows'],
  ['Mac OS X', 'macOS'],
  ['CrOS', 'ChromeOS'],
  ['Linux', 'Linux'],
] as const

/**
 * A `User-Agent` in words of ours: "Firefox on Linux". None of its own words is passed on, because whoever signs in with a
 * stolen password writes it, and the mail that warns of it should not carry the thief's text.
 */
export function browserName(userAgent: string): string {
  const browser = knownBrowsers.find(([token]) => userAgent.includes(`${token}/`))?.[1] ?? 'An unknown browser'
  const system = systems.find(([token]) => userAgent.includes(token))?.[1]
  return system === undefined ? browser : `${browser} on ${system}`
}
