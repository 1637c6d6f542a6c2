import t from 'tap'
import { MailServer } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import { formOf } from '../support/visitor.js'
import { crm, lodges, portal, wiki } from './lodges.js'

t.setTimeout(120_000)

t.test('a mailed link names the portal and leads on to the site, in this browser and in another', async (t) => {
  const mail = await MailServer.start()
  t.teardown(() => mail.stop())
  const core = await lodges(t, {
    rules: '[{ path: "/**", access: password }]',
    more: `
secondFactor: { methods: [{ use: magic-link, signIn: true }] }
mail: { use: smtp, url: "${mail.url}", from: no-reply@example.com }
`,
  })
  // Each their own: one mail follows another to the same person only after a while.
  for (const name of ['ana', 'ben']) await core.addUser(name, { email: `${name}@example.com` })
  const settled = async (count: number) =>
    (await until('the mail', () => (mail.arrived.length >= count ? mail.arrived.at(-1) : undefined))).email
  for (const [index, name] of ['ana', 'ben'].entries()) {
    const same = name === 'ana'
    const browser = core.browser()
    const { answer, way } = await browser.follow(`${crm}/deep?q=1`)
    const link = /href="([^"]*\/sign-in\/link\?[^"]*)"/.exec(answer.text)?.[1]?.replaceAll('&amp;', '&') ?? ''
    const page = new URL(link, way.at(-1)).href
    const { action = '', fields } = formOf((await browser.get(page)).text, '/sign-in/link')
    await browser.post(new URL(action, page).href, { ...fields, username: name })
    const mailed = /http:\/\/\S+\/link\S*/.exec((await settled(index + 1)).text ?? '')?.[0] ?? ''
    t.match(mailed, `${portal}/.gatelodge/link`, 'the portal')
    const opens = same ? browser : core.browser()
    const form = formOf((await opens.get(mailed)).text, '/link')
    const sent = await opens.post(`${portal}/.gatelodge/link`, form.fields)
    const arrived = await opens.follow(new URL(sent.headers['location'] as string, portal).href)
    t.equal(
      arrived.answer.text,
      'GET /deep?q=1',
      same ? 'this browser' : 'another browser, which never set out at the site',
    )
    t.equal(core.app.requests.at(-1)?.headers['remote-user'], name)
    t.equal((await opens.follow(`${wiki}/x`)).answer.text, 'GET /x')
  }
})
