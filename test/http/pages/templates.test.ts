import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { type ErrorCode, errors } from '../../../src/errors.js'
import { Assets } from '../../../src/http/pages/assets.js'
import { samples } from '../../../src/http/pages/samples.js'
import { Templates } from '../../../src/http/pages/templates.js'
import { TemplateError } from '../../../src/templates.js'

/** An operator's directory with these files. */
function directory(t: Tap, files: Record<string, string>): string {
  const root = t.testdir()
  for (const [name, text] of Object.entries(files)) {
    const file = join(root, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  return root
}
type Tap = { testdir(): string }

t.test('every page of ours renders in every turn it can take', async (t) => {
  const templates = new Templates()
  const seen = new Set<string>()
  for (const [name, data] of samples((use, step) => templates.secondFactor(use, step))) {
    seen.add(`${name}.eta`)
    const page = templates.render(name, data)
    t.match(page, /^<!doctype html>/, name)
    t.notMatch(page, /undefined|\[object|NaN/, name)
    t.notMatch(
      page,
      /style=|onclick=|javascript:|(?:src|href|action)="https?:\/\//,
      `${name} keeps to the content security policy`,
    )
    t.equal(page.match(/<h1>/g)?.length, 1, `${name} has one heading`)
    if ('fault' in data) t.match(page, /<title>Error: /, name)
  }
  const pages = readdirSync('templates/pages').filter((name) => name.endsWith('.eta') && name !== 'layout.eta')
  t.same([...seen].sort(), pages.sort(), 'no page is without a sample')
})

t.test('an error page says the same in heading and text, and has a way on', async (t) => {
  const templates = new Templates()
  const [, data] = samples((use, step) => templates.secondFactor(use, step)).find(([name]) => name === 'error') ?? []
  const page = (code: ErrorCode) => templates.render('error', { ...data, code, ...errors[code] })
  const headingOf = (code: ErrorCode) => /<h1>([^<]*)</.exec(page(code))?.[1]
  const upstream = (Object.keys(errors) as ErrorCode[]).filter((code) => code.startsWith('upstream.'))
  t.equal(upstream.length, 6)
  for (const code of upstream) {
    t.not(headingOf(code), 'Something went wrong', code)
    t.equal(page(code).includes('>Try again</a>'), code !== 'upstream.none', code)
  }
  t.equal(headingOf('upstream.invalid'), 'The application gave no proper answer')
  t.equal(new Set(upstream.map(headingOf)).size, upstream.length, 'each its own')
  t.match(page('not-found'), 'href="/">Go to the start page')
})

t.test('no page speaks the words of its makers', async (t) => {
  const templates = new Templates()
  for (const [name, data] of samples((use, step) => templates.secondFactor(use, step))) {
    t.notMatch(templates.render(name, data), /apart by|whom it touches|open it with the key/i, name)
  }
})

t.test('what a client said stands on a page as text', async (t) => {
  const templates = new Templates()
  const bad = `"><script>alert(1)</script>'`
  for (const [name, data] of samples((use, step) => templates.secondFactor(use, step))) {
    const page = templates.render(name, {
      ...data,
      username: bad,
      returnTo: bad,
      token: bad,
      requestId: bad,
      productName: bad,
    })
    t.notMatch(page, '<script>alert', name)
    t.notMatch(page, `">'`, name)
  }
})

t.test('one file of the operator takes the place of one of ours', async (t) => {
  const layout = '<title><%= it.title %></title><%~ it.body %>'
  const templates = new Templates(
    directory(t, { 'pages/layout.eta': layout, 'pages/second-factors/hotp/verify.eta': 'own' }),
  )
  const sample = samples((use, step) => templates.secondFactor(use, step)).find(([name]) => name === 'sign-in')
  const page = templates.render('sign-in', sample?.[1] ?? {})
  t.match(page, /^<title>Sign in<\/title>/)
  t.match(page, 'name="password"', 'the rest is ours')
  t.equal(templates.secondFactor('hotp', 'verify'), 'second-factors/hotp/verify')
  t.equal(templates.secondFactor('hotp', 'enrol'), 'second-factors/generic/enrol')
  t.equal(templates.secondFactor('totp', 'enrol'), 'second-factors/totp/enrol')
})

t.test('a template that cannot work stops the start and says where', async (t) => {
  const broken = (name: string, text: string) => directory(t, { [`pages/${name}`]: text })
  const refusal = (overrides: string) => {
    try {
      new Templates(overrides)
    } catch (error) {
      if (error instanceof TemplateError) return error.message
      throw error
    }
    return 'accepted'
  }
  t.match(refusal(broken('sign-in.eta', '<% if (it.username { %>')), /pages\/sign-in\.eta: .*\w/)
  t.match(refusal(broken('sign-in.eta', '<%= it.username')), /pages\/sign-in\.eta: unclosed tag at line 1/)
  t.match(refusal(broken('signin.eta', 'x')), /pages\/signin\.eta replaces nothing. There are: .*sign-in, /)
  t.match(refusal(broken('sign-in.eta', '<%= it.usr.name %>')), /pages\/sign-in\.eta: .*undefined/)
  t.match(
    refusal(broken('sign-in.eta', `<%~ include('partials/nothing') %>`)),
    /There is no template partials\/nothing/,
  )
  t.match(refusal(join(t.testdir(), 'missing')), /missing should hold templates, but has none of: pages/)
  t.match(refusal(directory(t, { 'sign-in.eta': 'x' })), /should hold templates/)
})

t.test('assets have an address that changes with them', async (t) => {
  const ours = new Assets()
  const own = new Assets(
    directory(t, { 'assets/style.css': 'body{}', 'assets/logo.svg': '<svg/>', 'assets/notes.txt': 'x' }),
  )
  t.match(ours.path('style.css'), /^\/assets\/[\w-]{16}\/style\.css$/)
  t.not(own.version, ours.version)
  t.equal(own.find('style.css')?.bytes.toString(), 'body{}')
  t.equal(own.find('logo.svg')?.type, 'image/svg+xml')
  t.equal(own.find('notes.txt'), undefined, 'only what a page can use')
  t.same(own.find('pages.js'), ours.find('pages.js'), 'the rest is ours')
  t.equal(new Assets(t.testdir()).version, ours.version)
})
