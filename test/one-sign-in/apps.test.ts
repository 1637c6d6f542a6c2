import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { checkConfig } from '../../src/plugin-host/check-config.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { formOf } from '../support/visitor.js'
import { lodges, portal, signInAt } from './lodges.js'

t.setTimeout(120_000)

const svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><script>alert(1)</script></svg>'

/** What the page lists: names and addresses, in its order. */
function listed(text: string) {
  const found = text.matchAll(/<li( hidden)?><a href="([^"]*)">.*?<span data-name>([^<]*)<\/span>(.*?)<\/a>/gs)
  return [...found].map(([, hidden, address, name, rest = '']) => ({
    name,
    address,
    asks: /class="quiet">([^<]*)</.exec(rest)?.[1],
    isHidden: hidden !== undefined,
  }))
}

const several = (url: string) => `
  - { host: crm.localhost, name: Customers, icon: ./crm.svg, upstream: "${url}" }
  - { host: wiki.other.test, name: "Zürich <wiki>", path: /w, upstream: "${url}", rules: [{ path: "/**", access: password, groups: [staff] }] }
  - { host: vault.other.test, upstream: "${url}", rules: [{ path: "/**", access: second-factor }] }
  - { host: office.localhost, name: Office, upstream: "${url}", networks: [{ range: [203.0.113.0/24], access: allow }] }
  - { host: hidden.localhost, listed: false, upstream: "${url}" }
  - { host: seen.localhost, name: Observed, enforce: false, upstream: "${url}", rules: [{ path: "/**", access: deny }] }`

async function severalLodges(t: Parameters<typeof lodges>[0]) {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'crm.svg'), svg)
  const core = await lodges(t, { sites: several, directory })
  await core.addUser('ana', { groups: ['staff'] })
  await core.addUser('ben')
  return core
}

t.test('who signs in at the portal without a destination is shown what they may open', async (t) => {
  const core = await severalLodges(t)
  const browser = core.browser()
  const { answer, next } = await signInAt(browser, `${portal}/`)
  t.equal(answer.status, 303)
  const page = await browser.follow(next)
  t.equal(page.way.at(-1), `${portal}/`)
  t.same(listed(page.answer.text), [
    { name: 'Customers', address: 'http://crm.localhost/', asks: undefined, isHidden: false },
    { name: 'Observed', address: 'http://seen.localhost/', asks: undefined, isHidden: false },
    {
      name: 'vault.other.test',
      address: 'http://vault.other.test/',
      asks: 'Wants a second step set up first',
      isHidden: false,
    },
    { name: 'Zürich &lt;wiki&gt;', address: 'http://wiki.other.test/w', asks: undefined, isHidden: false },
  ])
  t.equal((await browser.follow('http://crm.localhost/')).answer.text, 'GET /', 'and the address opens it')
  t.equal(formOf(page.answer.text, '/').action, '/', 'the search stays where it is')
  const searched = await browser.get(`${portal}/?q=zurich`)
  t.same(
    listed(searched.text).filter(({ isHidden }) => !isHidden),
    [{ name: 'Zürich &lt;wiki&gt;', address: 'http://wiki.other.test/w', asks: undefined, isHidden: false }],
    'searching works without a script',
  )
  t.match((await browser.get(`${portal}/.gatelodge/account`)).text, /href="\/.gatelodge\/apps">Your applications</)
})

t.test('an application that a group, a network or the file keeps from somebody is not named to them', async (t) => {
  const core = await severalLodges(t)
  const browser = core.browser()
  const { next } = await signInAt(browser, `${portal}/.gatelodge/apps`, 'ben')
  const { answer } = await browser.follow(next)
  t.same(
    listed(answer.text).map(({ name }) => name),
    ['Customers', 'Observed', 'vault.other.test'],
  )
  for (const name of ['wiki', 'office', 'Office', 'hidden.localhost']) t.notMatch(answer.text, name)
})

t.test('a stranger sees neither the page nor an icon, and an icon opened by itself runs nothing', async (t) => {
  const core = await severalLodges(t)
  const stranger = core.browser()
  const page = await stranger.get(`${portal}/.gatelodge/apps`)
  t.equal(page.status, 303)
  t.equal(page.location, '/.gatelodge/sign-in?return=%2F.gatelodge%2Fapps')
  const browser = core.browser()
  const { answer } = await browser.follow((await signInAt(browser, `${portal}/.gatelodge/apps`)).next)
  const address = portal + (/<img src="([^"]*)" alt="">/.exec(answer.text)?.[1] ?? '')
  const icon = await browser.get(address)
  t.equal(icon.status, 200)
  t.equal(icon.text, svg)
  t.equal(icon.headers['content-type'], 'image/svg+xml')
  t.equal(icon.headers['x-content-type-options'], 'nosniff')
  t.equal(icon.headers['content-security-policy'], "default-src 'none'; style-src 'unsafe-inline'; sandbox")
  t.match(icon.headers['cache-control'], /^private,/)
  t.equal((await stranger.get(address)).status, 404)
  t.equal((await browser.get(`${portal}/.gatelodge/icons/crm.svg`)).status, 404)
})

t.test('the sign-in page shows the application that somebody comes from, to their browser alone', async (t) => {
  const core = await severalLodges(t)
  const stranger = core.browser()
  const { answer } = await stranger.follow('http://crm.localhost/orders')
  t.match(answer.text, 'Please sign in to go on to <strong>Customers</strong>')
  const address =
    portal + (/<img src="([^"]*)" alt="" width="32"/.exec(answer.text)?.[1] ?? '').replaceAll('&amp;', '&')
  t.equal((await stranger.get(address)).text, svg)
  t.equal((await core.browser().get(address)).status, 404, 'another browser')
  t.equal((await stranger.get(address.replace(/icons\/[^?]+/, 'icons/another'))).status, 404, 'another picture')
  t.equal((await stranger.get(address.replace(/\?.*/, ''))).status, 404, 'not without the page')
})

t.test('one application is one link, and none is said', async (t) => {
  const rules = '[{ path: "/**", access: password, groups: [staff] }]'
  const core = await lodges(t, { rules })
  await core.addUser('ana', { groups: ['staff'] })
  await core.addUser('ben')
  const nobody = core.browser()
  const empty = await nobody.follow((await signInAt(nobody, `${portal}/.gatelodge/apps`, 'ben')).next)
  t.same(listed(empty.answer.text), [])
  t.match(empty.answer.text, /There is none here that you may open/)

  const one = await lodges(t, { sites: (url) => `\n  - { host: crm.localhost, name: Customers, upstream: "${url}" }` })
  await one.addUser('ana')
  const browser = one.browser()
  const single = await browser.follow((await signInAt(browser, `${portal}/`)).next)
  t.equal(single.answer.status, 200, 'it is not opened by itself')
  t.match(single.answer.text, /You may open one application/)
  t.equal(listed(single.answer.text).length, 1)
})

t.test('where every host is for itself only the applications of the asked host are shown', async (t) => {
  const core = await lodges(t, { more: 'signIn: { at: each-host }' })
  await core.addUser('ana')
  const browser = core.browser()
  const { answer } = await signInAt(browser, 'http://crm.localhost/.gatelodge/apps')
  t.equal(answer.status, 303)
  const page = await browser.follow('http://crm.localhost/.gatelodge/apps')
  t.same(listed(page.answer.text), [{ name: 'Customers', address: '/', asks: undefined, isHidden: false }])
  t.equal(formOf(page.answer.text, '/sign-out').action, '/.gatelodge/sign-out')
})

t.test('an icon that browsers would not show as a picture is found before the start', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'page.svg'), '<!doctype html><svg></svg>')
  await writeFile(join(directory, 'fake.png'), svg)
  await writeFile(join(directory, 'large.svg'), svg + ' '.repeat(128 * 1024))
  await writeFile(join(directory, 'noted.svg'), `<?xml version="1.0"?>\n<!-- a note -->\n${svg}`)
  await writeFile(join(directory, 'gatelodge.key'), 'secret')
  const said = async (icon: string) => {
    const file = join(directory, 'gatelodge.yaml')
    await writeFile(file, `sites: [{ upstream: "http://127.0.0.1:1", icon: ${icon} }]\n`)
    const checked = await checkConfig(file, {})
    return 'problems' in checked ? checked.problems.map(({ message }) => message).join() : ''
  }
  t.match(await said('./page.svg'), /does not hold what its name says: image\/svg\+xml/)
  t.match(await said('./fake.png'), /does not hold what its name says: image\/png/)
  t.match(await said('./large.svg'), /is larger than 128 KiB/)
  t.match(await said('./missing.svg'), /names a file that does not exist/)
  t.match(await said('./gatelodge.key'), /is no picture/)
  t.equal(await said('./noted.svg'), '')
})
