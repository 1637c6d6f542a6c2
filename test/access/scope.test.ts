import t from 'tap'
import { parseAddress } from '../../src/access/client-address.js'
import { Scope, type ScopeSettings } from '../../src/access/scope.js'
import { canonicalTarget } from '../../src/access/targets/canonical-target.js'

/** What of the request the scope does not reach; `400` for an address that is refused before any scope is asked. */
function outside(settings: ScopeSettings, target = '/', more: { host?: string; method?: string; from?: string } = {}) {
  const path = canonicalTarget(target)?.path
  if (path === undefined) return '400'
  const { host = 'crm.example.com', method = 'GET', from = '203.0.113.7' } = more
  return new Scope(settings).outside({ host, method, path, address: parseAddress(from) })
}

t.test('a scope without limits reaches everything', async (t) => {
  t.equal(outside({}), undefined)
  t.equal(outside({}, '/any/where', { method: 'DELETE', from: 'nonsense', host: 'other' }), undefined)
})

t.test('sites are compared as hosts are', async (t) => {
  const scope = { sites: ['crm.example.com', 'xn--bcher-kva.example'] }
  for (const host of ['crm.example.com', 'CRM.Example.com:8443', 'crm.example.com.', 'bücher.example']) {
    t.equal(outside(scope, '/', { host }), undefined, host)
  }
  for (const host of [
    'wiki.example.com',
    'crm.example.com.evil.test',
    'evilcrm.example.com',
    'a@crm.example.com',
    '',
  ]) {
    t.equal(outside(scope, '/', { host }), 'site', host)
  }
  t.equal(new Scope(scope).outside({ host: undefined, method: 'GET', path: '/', address: undefined }), 'site')
  t.equal(outside({ sites: [] }), 'site')
})

t.test('methods are compared to the letter, and GET brings HEAD', async (t) => {
  const scope = { methods: ['GET'] }
  t.equal(outside(scope, '/', { method: 'HEAD' }), undefined)
  for (const method of ['get', 'POST', 'OPTIONS', '']) t.equal(outside(scope, '/', { method }), 'method', method)
  t.equal(outside({ methods: ['POST'] }, '/', { method: 'HEAD' }), 'method')
})

t.test('networks hold IPv4 and IPv6, and no address that cannot be read', async (t) => {
  const scope = { networks: ['203.0.113.0/24', '2001:db8::/32'] }
  for (const from of ['203.0.113.1', '::ffff:203.0.113.1', '2001:db8:1::1']) {
    t.equal(outside(scope, '/', { from }), undefined, from)
  }
  for (const from of ['203.0.114.1', '2001:db9::1', '203.0.113.01', '']) {
    t.equal(outside(scope, '/', { from }), 'network', from)
  }
})

t.test('a token used on a path outside its scope is refused, whatever the spelling', async (t) => {
  const scope = { paths: ['/reports/**', '/health'] }
  for (const target of ['/reports/', '/reports/2026/q1.csv', '/reports/a%20b', '/health', '/reports/x?to=/admin']) {
    t.equal(outside(scope, target), undefined, target)
  }
  const tricks = [
    '/admin',
    '/Reports/x',
    '/reportsx',
    '/reports/..;/admin',
    '/reports;x/../admin',
    '/health;x=/../admin',
    '/admin;/reports/x',
    '/reports%3f/../admin',
    '/admin%3f/reports/x',
    '/health%23',
    '/ｒeports/x/../../admin',
    '/health/x',
    '/healthz',
  ]
  for (const target of tricks) t.ok(['path', '400'].includes(outside(scope, target) ?? 'reached'), target)
  for (const target of [
    '/reports/../admin',
    '/reports/%2e%2e/admin',
    '/reports//../admin',
    '/reports/..%2fadmin',
    '/reports\\..\\admin',
  ]) {
    t.ok(['path', '400'].includes(outside(scope, target) ?? 'reached'), target)
  }
})
