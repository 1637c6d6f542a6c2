/** Values as they were written, before anybody has said that they are right. */
export type Entries = Readonly<Record<string, unknown>>

export function entriesOf(value: unknown): Entries {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

interface Parser<Output> {
  safeParse(value: unknown): { readonly success: boolean; readonly data?: Output }
}

export function parsed<Output>(schema: Parser<Output>, value: unknown): Output | undefined {
  return schema.safeParse(value).data
}
