import { type Address, AddressRanges } from './client-address.js'

export interface NetworkSettings {
  readonly range: readonly string[]
  /** `allow`: as soon as one entry of a list says so, only clients pass whose entry says so. */
  readonly access?: 'allow' | 'deny' | undefined
  readonly secondFactor?: 'required' | 'not-required' | undefined
  /** In the YAML file, from 1. None: it is not from there. */
  readonly line?: number | undefined
}

/** What a client's network changes. */
export interface Network {
  readonly access?: 'allow' | 'deny' | undefined
  readonly secondFactor?: 'required' | 'not-required' | undefined
  /** `undefined` for one that is not from the YAML file. */
  readonly line?: number | undefined
}

/** One list of networks, of the installation or of a site: the first entry that has the address counts. */
export class Networks {
  readonly #entries: readonly { readonly ranges: AddressRanges; readonly network: Network }[]
  /** For those in no entry: `undefined` unless an entry says `allow`. */
  readonly #others: Network | undefined
  /** What an address gets that cannot be read. */
  readonly #strictest: Network | undefined

  static readonly none = new Networks([])

  /** @throws for a range that the check of the configuration should have refused */
  constructor(settings: readonly NetworkSettings[]) {
    const allowed = settings.find(({ access }) => access === 'allow')
    this.#entries = settings.map(({ range, access, secondFactor, line }) => {
      const isLeftOut = allowed !== undefined && access === undefined
      return {
        ranges: AddressRanges.parse(range),
        network: Object.freeze({ access: isLeftOut ? 'deny' : access, secondFactor, line }),
      }
    })
    this.#others = allowed && Object.freeze({ access: 'deny', line: allowed.line })
    const networks = this.#entries.map(({ network }) => network)
    this.#strictest =
      [...networks, this.#others].find((network) => network?.access === 'deny') ??
      networks.find(({ secondFactor }) => secondFactor === 'required')
  }

  /** @param address `undefined` for one that cannot be read: it is denied if any is, else needs what any needs */
  find(address: Address | undefined): Network | undefined {
    if (address === undefined) return this.#strictest
    for (const { ranges, network } of this.#entries) if (ranges.has(address)) return network
    return this.#others
  }
}

/** Where two lists have a say, as those of the installation and of a site, the stricter has it. */
export function stricter(one: Network | undefined, other: Network | undefined): Network | undefined {
  return strictness(other) > strictness(one) ? other : one
}

/** Silence does not take back what the other list says. */
function strictness(network: Network | undefined): number {
  if (network === undefined) return 0
  if (network.access === 'deny') return 4
  if (network.secondFactor === 'required') return 3
  return network.secondFactor === 'not-required' ? 2 : 1
}
