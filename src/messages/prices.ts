import type { Store } from '../contracts.js'

/** What the operator pays for messages, as `sending.price` in YAML says. Amounts in the currency's own unit. */
export interface Prices {
  /** ISO 4217, as in `EUR`. */
  readonly currency: string
  /** Of one text message. */
  readonly sms: number
  /** Where a text message costs something else, by the country of the number (ISO 3166). */
  readonly countries: Readonly<Record<string, number>>
  readonly mail: number
}

/** An amount of money. */
export interface Money {
  readonly amount: number
  readonly currency: string
}

interface Parts {
  readonly store: Store
  readonly prices: Prices
}

/**
 * What the messages of a day cost. Messages are counted by country where countries have prices of their own, never by number;
 * money is made of the counts when somebody looks, by the prices of now.
 */
export class Costs {
  readonly #store: Store
  readonly #prices: Prices

  constructor({ store, prices }: Parts) {
    this.#store = store
    this.#prices = prices
  }

  /** @param day as in `2026-11-21` */
  async noteText(to: string, day: string): Promise<void> {
    if (Object.keys(this.#prices.countries).length === 0) return
    // Knows the numbers of every country, and is loaded with the first text message.
    const { parsePhoneNumberFromString } = await import('libphonenumber-js/max')
    const country = parsePhoneNumberFromString(to)?.country
    if (country === undefined || !Object.hasOwn(this.#prices.countries, country)) return
    await this.#store.increment(keyOf(day, country), KEPT_SECONDS)
  }

  async ofTexts(count: number, day: string): Promise<Money> {
    const { sms, countries } = this.#prices
    const priced = await Promise.all(
      Object.entries(countries).map(async ([country, price]) => {
        return { price, count: Number((await this.#store.get(keyOf(day, country))) ?? 0) }
      }),
    )
    const others = Math.max(0, count - priced.reduce((sum, one) => sum + one.count, 0))
    return this.#money(priced.reduce((sum, one) => sum + one.count * one.price, others * sms))
  }

  ofMails(count: number): Money {
    return this.#money(count * this.#prices.mail)
  }

  /** To a ten-thousandth, as providers bill. */
  #money(amount: number): Money {
    return { amount: Math.round(amount * 10_000) / 10_000, currency: this.#prices.currency }
  }
}

/** As long as the messages of a day are counted. */
const KEPT_SECONDS = 62 * 24 * 60 * 60

function keyOf(day: string, country: string): string {
  return `sending/country/${day}/${country}`
}
