import { BlockList, isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import {
  type Address,
  AddressRangeError,
  AddressRanges,
  clientAddress,
  findRangeProblem,
  networkKey,
  parseAddress,
} from '../../src/access/client-address.js'

const text = (address: string) => parseAddress(address)?.text
const none = AddressRanges.none

function address(value: string): Address {
  const found = parseAddress(value)
  if (found === undefined) throw new Error(`not read: ${value}`)
  return found
}

t.test('addresses have one text', async (t) => {
  t.equal(text('192.0.2.1'), '192.0.2.1')
  t.equal(text('0:0:0:0:0:0:0:1'), '::1')
  t.equal(text('2001:DB8:0:0:8:800:200C:417A'), '2001:db8::8:800:200c:417a')
  t.equal(text('::'), '::')
  t.equal(text('::ffff:1.2.3.4'), '1.2.3.4')
  t.equal(text('::FFFF:0102:0304'), '1.2.3.4')
  t.equal(text('64:ff9b::1.2.3.4'), '64:ff9b::102:304')
})

t.test('an old form of ::10.0.0.1 is no IPv4 address', async (t) => {
  t.equal(text('::10.0.0.1'), '::a00:1')
  t.notOk(AddressRanges.parse(['10.0.0.0/8']).has(address('::10.0.0.1')))
})

t.test('an address that parsers read differently is not read', async (t) => {
  const odd = [
    '',
    ' ',
    '010.0.0.1',
    '0x7f.0.0.1',
    '127.1',
    '2130706433',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '1.2.3.4 ',
    ' 1.2.3.4',
  ]
  const odd6 = [
    ':',
    ':::',
    '1::2::3',
    'fe80::1%eth0',
    '::1%25',
    '[::1]',
    '::ffff:010.0.0.1',
    '::ffff:127.1',
    '12345::',
    '::1/128',
  ]
  for (const one of [...odd, ...odd6, '1.2.3.4\n', '１.2.3.4', 'localhost', 'unknown', '_hidden']) {
    t.equal(parseAddress(one), undefined, JSON.stringify(one))
  }
})

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6()

t.test('any text is read or not, and never thrown at', async () => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6, fc.string(), fc.string({ unit: 'binary' })), (value) => {
      const address = parseAddress(value)
      if (address === undefined) return !isIPv4(value) && (!isIPv6(value) || value.includes('%'))
      return parseAddress(address.text)?.text === address.text
    }),
    { numRuns: 5000 },
  )
})

t.test('IPv6 is written as the URL standard writes it', async () => {
  fc.assert(
    fc.property(ipv6, (value) => {
      const address = parseAddress(value)
      if (address === undefined || isIPv4(address.text)) return true
      return new URL(`http://[${value}]/`).hostname === `[${address.text}]`
    }),
    { numRuns: 5000 },
  )
})

const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
const asIPv4 = (value: Uint8Array) => value.join('.')
const asIPv6 = (value: Uint8Array) =>
  Buffer.from(value)
    .toString('hex')
    .replace(/(....)(?!$)/g, '$1:')
const masked = (value: Uint8Array, bits: number) =>
  value.map((byte, index) => byte & (0xff << Math.min(8, Math.max(0, 8 - (bits - index * 8)))))

t.test('ranges agree with node:net', async () => {
  for (const [size, write, family] of [
    [4, asIPv4, 'ipv4'],
    [16, asIPv6, 'ipv6'],
  ] as const) {
    fc.assert(
      fc.property(
        bytes(size),
        fc.integer({ min: 0, max: size * 8 }),
        bytes(size),
        fc.nat(size * 8),
        (base, bits, other, flip) => {
          const network = masked(base, bits)
          // Half of the time an address close to the network, or nearly all would lie outside.
          const near = Uint8Array.from(base)
          const byte = Math.min(size - 1, flip >> 3)
          near[byte] = (near[byte] ?? 0) ^ (0x80 >> (flip & 7))
          const list = new BlockList()
          list.addSubnet(write(network), bits, family)
          const ranges = AddressRanges.parse([`${write(network)}/${bits}`])
          return [base, near, other].every((one) => {
            const address = parseAddress(write(one))
            // Mapped addresses are IPv4 to us, and both to node:net.
            if (address === undefined || (size === 16 && isIPv4(address.text))) return address !== undefined
            return ranges.has(address) === list.check(write(one), family)
          })
        },
      ),
      { numRuns: 3000, examples: [[new Uint8Array(size), 0, new Uint8Array(size).fill(255), 0]] },
    )
  }
})

t.test('a range is one family, and the other is not in it', async (t) => {
  const all4 = AddressRanges.parse(['0.0.0.0/0'])
  const all6 = AddressRanges.parse(['::/0'])
  t.ok(all4.has(address('1.2.3.4')))
  t.ok(all4.has(address('::ffff:1.2.3.4')))
  t.notOk(all4.has(address('::1')))
  t.ok(all6.has(address('::1')))
  t.notOk(all6.has(address('1.2.3.4')))
  t.ok(AddressRanges.parse(['::ffff:10.0.0.0/104']).has(address('10.1.2.3')), 'a mapped range is an IPv4 range')
  t.ok(AddressRanges.parse(['192.0.2.7']).has(address('192.0.2.7')))
  t.notOk(AddressRanges.parse(['192.0.2.7']).has(address('192.0.2.6')))
  t.notOk(none.has(address('1.2.3.4')))
})

t.test('a range that says two things is refused, with the one it may mean', async (t) => {
  t.match(findRangeProblem('10.0.0.1/8'), /10\.0\.0\.0\/8/)
  t.match(findRangeProblem('2001:db8::1/32'), /2001:db8::\/32/)
  t.equal(findRangeProblem('10.0.0.0/8'), undefined)
  for (const odd of [
    '',
    '/',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10/8',
    '10.0.0.0/8/8',
    '::/129',
    '::ffff:0:0/95',
    'x',
    '10.0.0.0/1e1',
  ]) {
    t.throws(() => AddressRanges.parse([odd]), AddressRangeError, JSON.stringify(odd))
  }
})

t.test('ranges cover ranges', async (t) => {
  const covers = (outer: string[], inner: string[]) => AddressRanges.parse(outer).covers(AddressRanges.parse(inner))
  t.ok(covers(['10.0.0.0/8', '::/0'], ['10.1.0.0/16', '2001:db8::/32']))
  t.ok(covers(['10.0.0.0/8'], ['10.0.0.0/8']))
  t.notOk(covers(['10.1.0.0/16'], ['10.0.0.0/8']))
  t.notOk(covers(['::/0'], ['10.0.0.0/8']))
})

const trusted = AddressRanges.parse(['10.0.0.0/8', '2001:db8::/32'])
const client = (peer: string | undefined, ...lines: string[]) => clientAddress(peer, lines, trusted)?.text

t.test('the client is the peer, unless a trusted proxy names another', async (t) => {
  t.equal(client('192.0.2.1'), '192.0.2.1')
  t.equal(client('192.0.2.1', '1.1.1.1'), '192.0.2.1', 'a stranger is not believed')
  t.equal(client('10.0.0.1', '1.1.1.1'), '1.1.1.1')
  t.equal(client('::ffff:10.0.0.1', '1.1.1.1'), '1.1.1.1')
  t.equal(client('10.0.0.1', '9.9.9.9, 1.1.1.1'), '1.1.1.1', 'what the client wrote is to the left')
  t.equal(client('10.0.0.1', '9.9.9.9, 1.1.1.1, 10.2.2.2,10.3.3.3'), '1.1.1.1')
  t.equal(client('10.0.0.1', '9.9.9.9', '1.1.1.1 ,\t10.2.2.2'), '1.1.1.1', 'several lines are one list')
  t.equal(client('10.0.0.1'), '10.0.0.1')
  t.equal(client('10.0.0.1', '10.0.0.3, 10.0.0.2'), '10.0.0.3', 'trusted all the way')
  t.equal(client(undefined), undefined)
  t.equal(client('fe80::1%eth0'), undefined)
})

t.test('entries with a port are read, as some load balancers write them', async (t) => {
  t.equal(client('10.0.0.1', '1.1.1.1:4711'), '1.1.1.1')
  t.equal(client('10.0.0.1', '[2620:fe::1]:4711'), '2620:fe::1')
  t.equal(client('10.0.0.1', '[2620:fe::1]'), '2620:fe::1')
  t.equal(client('10.0.0.1', '2620:fe::1'), '2620:fe::1')
})

t.test('an entry that cannot be read is the strictest address, not the next one', async (t) => {
  for (const entry of [
    '',
    ' ',
    'unknown',
    '_x',
    '"1.1.1.1"',
    '1.1.1.1:',
    '1.1.1.1:x',
    '[1.1.1.1]',
    '[::1',
    '::1]',
    '1.1.1.1;',
    '01.1.1.1',
    '1.1.1.1 2.2.2.2',
  ]) {
    t.equal(client('10.0.0.1', `9.9.9.9,${entry}`), undefined, JSON.stringify(entry))
    t.equal(client('10.0.0.1', `9.9.9.9,${entry}, 10.0.0.2`), undefined, JSON.stringify(entry))
  }
  t.equal(client('10.0.0.1', `${entryOf('a')}, 1.1.1.1`), '1.1.1.1', 'left of the client nothing is read')
})
const entryOf = (character: string) => character.repeat(1000)

t.test('a giant header costs no more than a chain of proxies', async (t) => {
  t.equal(client('10.0.0.1', Array(50_000).fill('10.0.0.2').join(',')), undefined)
  t.equal(client('10.0.0.1', ...Array(50_000).fill('10.0.0.2')), undefined)
  t.equal(client('10.0.0.1', `1.1.1.1${' '.repeat(1_000_000)}`), undefined)
  t.equal(client('10.0.0.1', Array(32).fill('10.0.0.2').join(',')), '10.0.0.2')
})

t.test('what the client wrote never matters', async () => {
  const spoofed = fc.array(fc.oneof(ipv4, ipv6, fc.string(), fc.constantFrom('10.0.0.9', '', '127.0.0.1')), {
    maxLength: 6,
  })
  const hops = fc.array(
    bytes(3).map((tail) => `10.${tail.join('.')}`),
    { maxLength: 4 },
  )
  const outside = fc
    .oneof(
      ipv4.filter((value) => !value.startsWith('10.')),
      ipv6,
    )
    .filter((value) => {
      const address = parseAddress(value)
      return address !== undefined && !trusted.has(address)
    })
  fc.assert(
    fc.property(spoofed, outside, hops, fc.boolean(), (left, real, right, twoLines) => {
      const own = [real, ...right].join(', ')
      const lines = twoLines ? [left.join(','), own] : [[...left, own].join(',')]
      return clientAddress('10.0.0.1', lines, trusted)?.text === text(real)
    }),
    { numRuns: 5000 },
  )
})

t.test('budgets per network count IPv4 addresses and IPv6 customers', async (t) => {
  t.equal(networkKey(parseAddress('192.0.2.1')), '192.0.2.1')
  t.equal(networkKey(parseAddress('::ffff:192.0.2.1')), '192.0.2.1')
  t.equal(networkKey(parseAddress('2001:db8:1:2:3:4:5:6')), '2001:db8:1:2::/64')
  t.equal(networkKey(parseAddress('2001:db8:1:2::9')), '2001:db8:1:2::/64')
  t.equal(networkKey(undefined), 'unreadable')
})

t.test('a list covers what its networks have together', async (t) => {
  const covers = (outer: string[], inner: string[]) => AddressRanges.parse(outer).covers(AddressRanges.parse(inner))
  t.ok(covers(['10.0.0.0/8'], ['10.1.0.0/16', '10.2.3.4']))
  t.ok(covers(['0.0.0.0/1', '128.0.0.0/1'], ['0.0.0.0/0']))
  t.ok(covers(['::/1', '8000::/2', 'c000::/2'], ['::/0']))
  t.ok(covers(['10.0.0.0/10', '10.64.0.0/10', '10.128.0.0/9'], ['10.0.0.0/8']))
  t.notOk(covers(['10.0.0.0/10', '10.64.0.0/10', '10.128.0.0/10'], ['10.0.0.0/8']))
  t.notOk(covers(['10.0.0.0/9', '10.0.0.0/9'], ['10.0.0.0/8']), 'one half twice')
  t.notOk(covers(['0.0.0.0/0'], ['::/0']))
  t.notOk(covers([], ['10.0.0.1']))
  const everyHost = Array.from({ length: 256 }, (_, host) => `10.0.0.${host}`)
  t.ok(covers(everyHost, ['10.0.0.0/24']))
  t.notOk(covers(everyHost.slice(1), ['10.0.0.0/24']))
})
