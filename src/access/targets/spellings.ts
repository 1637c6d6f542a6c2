/** Spellings of a path that programs read in different ways, by what an operator calls them. */
export const spellings = ['encodedSlash', 'emptySegment', 'backslash', 'doubleEscape'] as const
export type Spelling = (typeof spellings)[number]

/** What an application makes of paths, as its site says it. */
export type PathSettings = Readonly<Partial<Record<Spelling, 'pass' | 'refuse'>>> & {
  /** `exact`: the application tells upper and lower case apart. `any`, the default: it may not, so rules are asked both ways. */
  readonly case?: 'any' | 'exact'
}
