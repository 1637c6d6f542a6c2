import { z } from 'zod'
import { type ErrorCode, errors } from '../errors.js'
import type { Account, Role } from '../identity/accounts/account.js'
import type { AdminScope } from '../identity/api-clients/app-tokens.js'
import type { ClientFacts } from '../identity/store/client-facts.js'
import type { Services, Target } from './services.js'

/** How an operation was asked for. */
export type EntryPoint = 'page' | 'api' | 'command-line'

/** Who asks, as the door found out. */
export interface Actor {
  readonly door: EntryPoint
  /** What the door stands for: at the command line it is whoever runs the machine, so `owner`. */
  readonly role: Role
  /** Left out at the command line. */
  readonly account?: Pick<Account, 'id' | 'username'>
  readonly client?: ClientFacts
  /** Whether both factors were proven a moment ago. A program and the command line have no such moment: always true there. */
  readonly isFresh: boolean
  /** Every change has to be confirmed by a proof of its own, and this asking was not. */
  readonly mustConfirm?: boolean
  /** Of the token a program came with; left out where nobody came with a token: nothing is withheld. */
  readonly adminScopes?: readonly AdminScope[] | undefined
}

/** Where an operation can be asked for; where a door makes no sense, the reason why. */
export interface Doors {
  /** Path of the page under `/admin`. */
  readonly page: string | { readonly none: string }
  /** Method and path under `/api/v1`, as in `POST /users/{user}/deactivate`. */
  readonly api: string | { readonly none: string }
  /** Words of the command, as in `user deactivate`. */
  readonly commandLine: string | { readonly none: string }
}

/** What is written down before anything is done. */
export interface Note {
  readonly username?: string
  readonly details?: { readonly [key: string]: string | number | boolean | readonly string[] }
}

/** What an operation works with. */
export interface Context<Input = unknown> {
  readonly services: Services
  readonly input: Input
  readonly by: Actor
  /** Whom `input.user` names. @throws where the operation is about nobody */
  readonly target: Target & { readonly account: Account }
  /** As it is, for operations that only look. */
  readonly known: Target
  /**
   * Writes to the audit that it is about to be done: to be awaited before the first thing that is changed. How it ended is
   * written by itself.
   */
  write(note?: Note): Promise<void>
  /** Writes that it was not done after all, and why in a word. */
  fail(why: string, note?: Note): Promise<void>
  /** What came of it in numbers: stands in the entry of how it ended. */
  came(details: NonNullable<Note['details']>): void
  /** Where it takes long, how far it is: to whoever looks. */
  tell(done: number, of: number): void
}

/** A file as an operation takes one: whole, as text, in one field of its input. */
export interface TakenFile {
  readonly field: string
  /** At most so large in the browser and by API; at the command line as large as it is. */
  readonly bytes: number
  /** What the type of the content says about another field, as in `text/csv`: `{ format: 'csv' }`. */
  readonly types: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** A file as an operation hands one over: made while it is read. */
export interface HandedFile {
  readonly name: string
  /** Of its content, as in `text/csv`. */
  readonly type: string
  readonly content: AsyncIterable<string | Buffer>
}

export const handedFile = z.custom<HandedFile>((value) => typeof value === 'object' && value !== null)

/** One thing owners and support can do. Pages, API and command line lead to the same ones. */
export interface Operation<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodType = z.ZodType> {
  /** As in `user.deactivate`. */
  readonly name: string
  /** One sentence: the help of the command line and of the API document. */
  readonly summary: string
  /** Who may: `support` means support and owners. */
  readonly may: 'support' | 'owner'
  /** Only after both factors were proven a moment ago. */
  readonly fresh?: true
  /** Whether this input changes nothing, as a dry run. */
  looksOnly?(input: z.output<Input>): boolean
  /** A program needs a token with this scope. */
  readonly scope?: AdminScope
  /** Not for one's own account: nobody lets himself in another way. */
  readonly notSelf?: true
  /** What it takes away, for whom, and whether it can be undone: people at a page are asked once whether they mean it. */
  readonly consequence?: (whom: string) => string
  /** The event it leaves in the audit; left out where it only looks. */
  readonly event?: `admin.${string}` | 'policy.changed'
  /** The room it runs over writes that entry, and before anything is done. */
  readonly writesItself?: true
  /** A field of the input is a file. */
  readonly takes?: TakenFile
  /** The output is a {@link HandedFile}, of one of these types. */
  readonly hands?: readonly string[]
  readonly input: Input
  readonly output: Output
  readonly doors: Doors
  /** @returns what came of it, or why it was not done */
  run(context: Context<z.output<Input>>): Promise<z.output<Output> | Refusal>
}

/** Gives `run` the types of its own schemas. */
export function defineOperation<Input extends z.ZodObject, Output extends z.ZodType>(
  operation: Operation<Input, Output>,
): Operation<Input, Output> {
  return operation
}

/** Why an operation was not done: a value, for nothing is broken. */
export class Refusal {
  readonly code: ErrorCode
  /** For the person who asked. */
  readonly sentence: string
  /** By field, where the input is at fault. */
  readonly faults: readonly InputFault[]
  /** In a word, for programs, where there are several reasons. */
  readonly reason: string | undefined

  constructor(
    code: ErrorCode,
    sentence: string = errors[code].sentence,
    { faults = [], reason }: { readonly faults?: readonly InputFault[]; readonly reason?: string } = {},
  ) {
    this.code = code
    this.sentence = sentence
    this.faults = faults
    this.reason = reason
  }
}

export interface InputFault {
  /** Name of the field, as in `until`. */
  readonly field: string
  readonly sentence: string
}

/** Not done, because of how things stand. */
export function refuse(sentence: string, reason?: string): Refusal {
  return new Refusal('operation.refused', sentence, reason === undefined ? {} : { reason })
}
