import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { check } from '../../../src/cli/commands/check.js'
import { contrast, leastContrast, paletteOf } from '../../../src/config/checks/brand-colors.js'
import { startHouse } from '../../support/house.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

t.setTimeout(120_000)

const svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'
const base = 'sites: [{ upstream: "http://127.0.0.1:1" }]\n'

t.test('pages show whose they are: name, logo, colour, and where help is', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'logo.SVG'), svg)
  const gateway = await startHouse(t, {
    directory,
    yaml: `${base}publicUrl: http://localhost:8080\nname: Old name\nbrand: { name: Riverside, logo: ./logo.SVG, color: "#FFCC00", support: help@example.com }\n`,
  })
  const visitor = gateway.visitor()
  for (const path of ['/.gatelodge/sign-in', '/.gatelodge/nothing']) {
    const { text } = await visitor.get(path)
    t.match(text, /<img src="\/\.gatelodge\/assets\/[\w-]+\/brand-logo\.svg" alt="">Riverside<\/p>/, path)
    t.match(text, 'Need help? <a href="mailto:help@example.com">help@example.com</a>', path)
    t.notMatch(text, 'Old name', path)
    const [, styles = ''] = /href="([^"]+brand\.css)"/.exec(text) ?? []
    const { text: css, headers } = await visitor.get(styles)
    t.match(headers['content-type'], 'text/css')
    t.match(css, /^:root\{--accent:#[0-9a-f]{6};.*@media \(prefers-color-scheme:dark\)\{:root\{--accent:#ffcc00;/)
    t.notMatch(css.split('@media')[0], '#ffcc00', 'yellow text on white is none')
  }
  const logo = await visitor.get(
    /src="([^"]+brand-logo\.svg)"/.exec((await visitor.get('/.gatelodge/sign-in')).text)?.[1] ?? '',
  )
  t.equal(logo.status, 200)
  t.match(logo.headers, { 'content-type': 'image/svg+xml', 'x-content-type-options': 'nosniff' })
  t.match(logo.headers['content-security-policy'], "default-src 'none'", 'a picture that is opened runs nothing')
})

t.test('without a brand pages are as they were', async (t) => {
  const gateway = await startHouse(t, { yaml: `${base}name: Riverside\n` })
  const { text } = await gateway.visitor().get('/.gatelodge/sign-in')
  t.match(text, 'Riverside</p>')
  t.notMatch(text, /brand\.css|brand-logo|Need help\?/)
})

t.test('text in any colour can be read, in light and dark (WCAG 2.2, 1.4.3)', async (t) => {
  const colors = ['#000000', '#ffffff', '#777777', '#ff0000', '#00ff00', '#0000ff', '#ffcc00', '#14654d', '#8a2be2']
  for (let red = 0; red < 256; red += 51)
    for (let green = 0; green < 256; green += 51)
      for (let blue = 0; blue < 256; blue += 51) {
        colors.push(`#${[red, green, blue].map((part) => part.toString(16).padStart(2, '0')).join('')}`)
      }
  const unreadable = colors.filter((color) => {
    const { light, dark } = paletteOf(color)
    const pairs: ReadonlyArray<readonly [string, string]> = [
      ...['#ffffff', '#f3f4f1', light.tint, light.onAccent].map((ground) => [light.accent, ground] as const),
      ...['#191f1c', '#101412', '#121715', dark.tint, dark.onAccent].map((ground) => [dark.accent, ground] as const),
      [light.accentStrong, light.onAccent],
      [dark.accentStrong, dark.onAccent],
    ]
    return pairs.some(([one, other]) => contrast(one, other) < leastContrast)
  })
  t.same(unreadable, [])
  t.equal(paletteOf('#14654d').light.accent, '#14654d', 'one that can be read stays')
})

t.test('check refuses what is no brand, and says where a colour is changed', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'page.svg'), '<html><script>alert(1)</script></html>')
  const say = async (brand: string) => {
    const file = join(directory, 'gatelodge.yaml')
    await writeFile(file, `${base}brand: ${brand}\n`)
    let said = ''
    const write = (text: string) => {
      said += text
    }
    const code = await check({ config: file }, { env: {}, stdout: { write }, stderr: { write } })
    return { code, said }
  }
  for (const [brand, words] of [
    ['{ logo: ./page.svg }', 'does not hold what its name says'],
    ['{ logo: ./none.png }', 'names a file that does not exist'],
    ['{ color: green }', 'a colour as in "#14654d", in quotes'],
    ['{ color: "#14654d; } body { display: none" }', 'a colour as in'],
    ['{ support: "javascript:alert(1)" }', 'a mail address, a telephone number'],
    ['{ support: "http://help.example.com" }', 'or an https address'],
    ['{ colour: "#14654d" }', 'did you mean "color"?'],
  ] as const) {
    const { code, said } = await say(brand)
    t.equal(code, 2, brand)
    t.match(said, words, brand)
  }
  for (const support of ['help@example.com', '+1 (202) 555-0100', 'https://help.example.com/sign-in']) {
    t.equal((await say(`{ support: "${support}" }`)).code, 0, support)
  }
  const changed = await say('{ color: "#ffcc00" }')
  t.equal(changed.code, 0)
  t.match(
    changed.said,
    /COLOUR CHANGED: text in #ffcc00 cannot be read.*they show #[0-9a-f]{6}, and #ffcc00 in the dark|$/,
  )
  const both = await say('{ color: "#777777" }')
  t.match(both.said, 'COLOUR CHANGED')
  t.notMatch((await say('{ color: "#14654d" }')).said, 'COLOUR CHANGED')
})
