import { Eta } from 'eta'

const { escapeFunction } = new Eta().config

/** Markup that is safe to send: everything put into it was escaped on the way in. */
export class Html {
  readonly markup: string
  constructor(markup: string) {
    this.markup = markup
  }
}

export type Fragment = Html | string | number | undefined | readonly Fragment[]

/** Markup from a template; whatever is not markup already is escaped, lists are joined, `undefined` is nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Fragment[]): Html {
  return new Html(parts.map((part, index) => part + markupOf(values[index])).join(''))
}

function markupOf(value: Fragment): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.markup
  if (Array.isArray(value)) return value.map(markupOf).join('')
  return escapeFunction(value)
}
