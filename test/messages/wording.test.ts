import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { browserName } from '../../src/messages/browser-name.js'
import { inPlainLetters, isOneMessage, septets } from '../../src/messages/gsm7.js'
import type { MailName, TextMessageName } from '../../src/messages/mails.js'
import { mask } from '../../src/messages/mask.js'
import { sampleMails, sampleTextMessages } from '../../src/messages/samples.js'
import { Wording } from '../../src/messages/wording.js'
import { TemplateError } from '../../src/templates.js'

const now = () => Date.UTC(2026, 10, 21, 20, 57)
const settings = { service: 'Crème & <Co>', publicUrl: 'https://crm.example.com', prefix: '/.gatelodge' }
const wording = new Wording({ settings, now })
const templates = fileURLToPath(new URL('../../../templates/', import.meta.url))
const client = {
  address: '203.0.113.9',
  network: '203.0.113.9',
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0 Visit http://evil.example',
  requestId: 'r1',
}
const about = { username: 'ada', notMe: '/not-me?token=abc&x=1', client }
const mailNames = Object.keys(sampleMails) as MailName[]
const shared = ['footer', 'circumstances', 'layout']

t.test('there is a template in text and HTML for every mail, and none for nothing', async (t) => {
  const files = (folder: string, ending: string) =>
    readdirSync(join(templates, folder))
      .filter((name) => name.endsWith(ending))
      .map((name) => name.slice(0, -ending.length))
      .filter((name) => !shared.includes(name))
      .sort()
  t.same(files('mail', '.txt.eta'), [...mailNames].sort())
  t.same(files('mail', '.html.eta'), [...mailNames].sort())
  t.same(files('sms', '.txt.eta'), Object.keys(sampleTextMessages).sort())
})

for (const name of mailNames) {
  t.test(`the mail ${name} says everything and nothing odd`, async (t) => {
    for (const circumstances of [about, { username: 'ada' }]) {
      const { subject, text, html } = wording.mail(name, sampleMails[name], circumstances)
      for (const part of [subject, text, html]) t.notMatch(part, /undefined|\[object|NaN|<%|%>|Subject:|evil/)
      t.match(subject, /^\S.{5,}\S$/)
      t.notMatch(subject, /\d{6}|token/, 'nothing secret in a header')
      t.notMatch(text, /\n{3}|[ \t]\n(?!Cr)|&amp;|&lt;/, 'plain text, tidy')
      t.match(html, /^<!doctype html>\n<html lang="en" dir="ltr">/)
      t.notMatch(html, /<Co>|<script|https?:\/\/(?!crm\.example\.com|example\.com)|src=/, 'escaped, nothing fetched')
      const values = JSON.stringify(sampleMails[name])
      for (const [secret] of values.matchAll(/https:[^"]+|\d{6}/g)) {
        t.ok(text.includes(secret) && html.includes(secret), 'both forms carry what matters')
      }
      const isNotMe = 'notMe' in circumstances
      t.equal(text.includes('https://crm.example.com/.gatelodge/not-me?token=abc&x=1'), isNotMe)
      t.equal(html.includes('href="https://crm.example.com/.gatelodge/not-me?token=abc&amp;x=1"'), isNotMe)
    }
  })
}

t.test('a notice tells when, where and whose account', async (t) => {
  const { text, html } = wording.mail('password-changed', {}, about)
  for (const part of [text, html]) {
    t.match(part, /21 November 2026 at 20:57 UTC|21 November 2026, 20:57 UTC/)
    t.match(part, 'Firefox on Linux, 203.0.113.9')
    t.match(part, 'ada')
  }
})

t.test('no value gets a line, a tag or a direction of its own', async (t) => {
  const evil = 'x\r\nBcc: eve@example.net\u2028<script>alert(1)</script>\u202e"\'&'
  const { subject, text, html } = wording.mail('factor-added', { method: evil }, { username: evil })
  t.notMatch(subject, /[\r\n]/)
  t.notMatch(text, /^Bcc/m)
  t.notMatch(text, /[\r\u2028\u202e]/)
  t.notMatch(html, /<script/)
  const named = new Wording({ settings: { ...settings, service: evil }, now })
  t.notMatch(named.mail('no-account', {}, { username: 'ada' }).subject, /[\r\n\u2028]/)
  t.equal(named.text('code', { code: '123456', host: 'a.example' }).split('\n').at(-1), '@a.example #123456')
})

t.test('text messages begin with the code, end with the origin-bound line, and are one message', async (t) => {
  for (const service of [
    'CRM',
    'Crème & <Co>',
    'Überlandwerke Łódź',
    '株式会社ゲートロッジ',
    'x'.repeat(60),
    '{~}'.repeat(20),
  ]) {
    const words = new Wording({ settings: { ...settings, service }, now })
    for (const name of Object.keys(sampleTextMessages) as TextMessageName[]) {
      const text = words.text(name, sampleTextMessages[name])
      t.ok(isOneMessage(text), `${service}: ${text.length}`)
      t.match(text, /Never share/)
      if (name === 'link') continue
      t.match(text, /^123456 /)
      t.match(text, /\n\n@example\.com #123456$/)
    }
  }
  t.match(wording.text('code', sampleTextMessages.code), 'Crème & <Co>', 'the name as it is where it fits')
})

t.test('seven-bit lengths', async (t) => {
  t.equal(septets('abc'), 3)
  t.equal(septets('€[]'), 6)
  t.equal(septets('ł'), undefined)
  t.ok(isOneMessage('a'.repeat(160)))
  t.notOk(isOneMessage('a'.repeat(161)))
  t.notOk(isOneMessage('ł'.repeat(71)))
  t.equal(inPlainLetters('Crème Łódź 株'), 'Creme odz ')
})

t.test('addresses are masked, whatever they are', async (t) => {
  t.equal(mask('+13125550671'), '...671')
  t.equal(mask('ada@example.org'), 'a…@e…')
  t.equal(mask('😀@例え.jp'), '😀@例…'.replace('@', '…@'))
})

t.test('a browser is named in words of ours', async (t) => {
  t.equal(browserName(client.userAgent), 'Firefox on Linux')
  t.equal(browserName('Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/537.36 Edg/140'), 'Edge on Windows')
  t.equal(
    browserName('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Safari/604'),
    'Safari on iPhone',
  )
  t.equal(browserName('curl/8'), 'An unknown browser')
})

t.test('an operator replaces any one file', async (t) => {
  const directory = t.testdir({
    mail: {
      'no-account.txt.eta': 'Subject: Nobody at <%= it.service %>\n\nHello & goodbye.\n<%~ include("footer", it) -%>',
    },
    sms: { 'code.txt.eta': '<%= it.code %>: Code\n\n@<%= it.host %> #<%= it.code %>' },
  })
  const own = new Wording({ settings: { ...settings, templates: directory }, now })
  const { subject, text, html } = own.mail('no-account', {}, { username: '' })
  t.equal(subject, 'Nobody at Crème & <Co>')
  t.match(text, /^Hello & goodbye\.\n\n-- \nCrème/)
  t.match(html, 'There is none', 'the HTML is still ours')
  t.equal(own.text('code', sampleTextMessages.code), '123456: Code\n\n@example.com #123456')
  t.match(own.mail('usernames', sampleMails.usernames, { username: '' }).text, 'ada')
})

t.test('an operator’s file that cannot work stops the start and is named, without values', async (t) => {
  for (const [what, [file, content]] of Object.entries({
    'replaces nothing': ['mail/sing-in-code.txt.eta', 'Subject: x'],
    'does not compile': ['mail/no-account.html.eta', '<% if (it.username { %>'],
    'names what is not there': ['mail/sign-in-code.txt.eta', 'Subject: x\n\n<%= it.cod %>'],
    'has no subject': ['mail/sign-in-code.txt.eta', 'Your code: <%= it.code %>'],
    'includes what is not there': ['sms/code.txt.eta', '<%~ include("nothing") %>'],
  } as const)) {
    const directory = t.testdir()
    mkdirSync(join(directory, 'mail'), { recursive: true })
    mkdirSync(join(directory, 'sms'), { recursive: true })
    writeFileSync(join(directory, file), content)
    t.throws(() => new Wording({ settings: { ...settings, templates: directory }, now }), TemplateError, what)
    try {
      new Wording({ settings: { ...settings, templates: directory }, now })
    } catch (error) {
      t.match(error, { message: new RegExp(file.replace(/\.(txt|html)\.eta$/, '')) }, 'names the file')
      t.notMatch(error, { message: /123456/ })
    }
  }
})
