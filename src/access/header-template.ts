/** What of a user may stand in a header. */
export const placeholders = ['username', 'email', 'mobile', 'groups', 'id'] as const
export type Placeholder = (typeof placeholders)[number]

/** What the placeholders stand for; `undefined` for what a user does not have. */
export type TemplateValues = Readonly<Partial<Record<Placeholder, string | undefined>>>

/**
 * Text with placeholders in braces, as in `{username}@example.com`; `{{` and `}}` are the braces themselves. There is
 * nothing else to it: no conditions, no functions, nothing that could fail while a request waits.
 */
export class HeaderTemplate {
  readonly #parts: readonly (string | { readonly name: Placeholder })[]

  /** @throws RangeError with what is wrong, in words for the operator */
  constructor(text: string) {
    const parts: (string | { name: Placeholder })[] = []
    for (const [part, braces, name] of text.matchAll(/(\{\{|\}\})|\{([^{}]*)\}|[^{}]+|[{}]/g)) {
      if (braces !== undefined) parts.push(braces.charAt(0))
      else if (name !== undefined) parts.push({ name: known(name) })
      else if (part === '{' || part === '}') throw new RangeError('has a brace without its other half; {{ is a brace')
      else parts.push(part)
    }
    if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text)) {
      throw new RangeError('is not visible ASCII without spaces at its ends')
    }
    this.#parts = parts
  }

  /** `undefined` when the user does not have something it names: half a value would be another one. */
  fill(values: TemplateValues): string | undefined {
    let text = ''
    for (const part of this.#parts) {
      const value = typeof part === 'string' ? part : values[part.name]
      if (value === undefined) return undefined
      text += value
    }
    return text
  }
}

/** `undefined` when it can be used; otherwise what is wrong with it, in words for the operator. */
export function findTemplateProblem(text: string): string | undefined {
  try {
    new HeaderTemplate(text)
    return undefined
  } catch (error) {
    if (error instanceof RangeError) return error.message
    throw error
  }
}

function known(name: string): Placeholder {
  const found = placeholders.find((one) => one === name)
  if (found === undefined) throw new RangeError(`has a placeholder there is none of; there are ${listed}`)
  return found
}

const listed = placeholders.map((name) => `{${name}}`).join(', ')
