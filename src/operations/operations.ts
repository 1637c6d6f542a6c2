import type { z } from 'zod'
import type { AuditOutcome } from '../audit/audit.js'
import type { User } from '../contracts.js'
import type { Account } from '../identity/accounts/account.js'
import { type Actor, type Context, type Note, type Operation, Refusal } from './operation.js'
import { type Right, rightTo } from './rights.js'
import type { Services, Target } from './services.js'

/** Where every operation passes: one check of rights, one reading of the input, one entry in the audit. */
export class Operations {
  readonly services: Services

  constructor(services: Services) {
    this.services = services
  }

  /**
   * @param input as it came in: it is checked here
   * @param tell how far it is, where it takes long
   * @returns what came of it, or why it was not done
   * @throws what is broken: the store, the directory; nothing more was done than the audit says
   */
  async run<Input extends z.ZodObject, Output extends z.ZodType>(
    operation: Operation<Input, Output>,
    input: unknown,
    by: Actor,
    tell: Context['tell'] = () => undefined,
  ): Promise<z.output<Output> | Refusal> {
    // Before anything is read: who may not has no business with what the input means.
    if (rightTo(operation, by) === 'denied') return this.#denied(operation, by)
    const read = operation.input.safeParse(input)
    if (!read.success) return faults(read.error)
    const named: unknown = 'user' in operation.input.shape ? Reflect.get(read.data as object, 'user') : undefined
    const known = typeof named === 'string' ? await this.find(named) : undefined
    if (typeof named === 'string' && known === undefined) {
      return new Refusal('user.unknown', `There is no user "${named}".`)
    }
    const whose = known && { id: known.user.id, role: known.account?.role ?? ('user' as const) }
    const here = rightTo(operation, by, whose)
    // In place of a proof that was made a moment ago: one of this operation and this input.
    if (by.mustConfirm && (here === 'allowed' || here === 'unproven') && changes(operation, read.data)) {
      return new Refusal('operation.unconfirmed')
    }
    if (here !== 'allowed') return this.#refused(operation, by, here, known)
    const context = await this.#context(operation, read.data, by, known, tell)
    let done: z.output<Output> | Refusal
    try {
      done = await operation.run(context)
    } catch (fault) {
      await context.end('failed')
      throw fault
    }
    if (done instanceof Refusal) await context.end('refused')
    else if (operation.event === undefined || operation.writesItself || context.isWritten())
      await context.end('success')
    else throw new Error(`${operation.name} changed something that is not in the audit`)
    return done
  }

  /** The user of this id, or of this username; also one who is gone from the directory and has an account. */
  async find(named: string): Promise<Target | undefined> {
    const { directory, accounts } = this.services
    const [user] = [...(await directory.find({ id: named })), ...(await directory.find({ username: named }))]
    const account = await accounts.find(user?.id ?? named)
    if (user !== undefined) return account === undefined ? { user } : { user, account }
    const gone = account ?? (await accounts.named(named))
    return gone && { user: { id: gone.id, username: gone.username, groups: [] }, account: gone }
  }

  async #context<Input extends z.ZodObject, Output extends z.ZodType>(
    operation: Operation<Input, Output>,
    input: z.output<Input>,
    by: Actor,
    known: Target | undefined,
    tell: Context['tell'],
  ): Promise<Context<z.output<Input>> & { isWritten(): boolean; end(how: AuditOutcome): Promise<void> }> {
    const { services } = this
    const target =
      known && operation.event !== undefined
        ? await withAccount(services, known)
        : (known as { user: User; account: Account })
    let written: Note | undefined
    let failure: string | undefined
    let outcome: Note['details']
    return {
      services,
      input,
      by,
      tell,
      get target() {
        if (target?.account === undefined) throw new Error(`${operation.name} is about nobody who has an account`)
        return target
      },
      get known() {
        if (known === undefined) throw new Error(`${operation.name} is about nobody`)
        return known
      },
      isWritten: () => written !== undefined,
      // First that it is about to be done: what cannot be written down is not done.
      write: async (note = {}) => {
        await this.#record(operation, by, 'intended', target, note)
        written = note
      },
      fail: async (why, note) => {
        failure = why
        if (written === undefined) await this.#record(operation, by, 'refused', target, note, why)
      },
      came: (details) => {
        outcome = details
      },
      // What was done is done: an ending that cannot be written leaves the intention standing.
      end: async (how) => {
        if (written === undefined || operation.writesItself) return
        const note = { ...written, details: { ...written.details, ...outcome } }
        await this.#record(operation, by, how, target, note, failure).catch(() => undefined)
      },
    }
  }

  async #denied(operation: Operation, by: Actor): Promise<Refusal> {
    // Of users nothing is written: at this door they are nobody, and could fill the audit by asking.
    if (by.role === 'support') await this.#record(operation, by, 'refused', undefined, undefined, 'denied')
    return new Refusal('access.denied')
  }

  async #refused(
    operation: Operation,
    by: Actor,
    right: Exclude<Right, 'allowed'>,
    known: Target | undefined,
  ): Promise<Refusal> {
    if (right === 'unproven') return new Refusal('operation.unproven')
    await this.#record(operation, by, 'refused', known, undefined, right)
    if (right === 'denied') return new Refusal('access.denied')
    if (right === 'scope') return new Refusal('token.scope')
    return new Refusal('access.denied', 'This is not for your own account: ask another owner.')
  }

  async #record(
    { event }: Pick<Operation, 'event'>,
    { door, account, client }: Actor,
    outcome: AuditOutcome,
    target?: Partial<Target>,
    note: Note = {},
    why?: string,
  ): Promise<void> {
    if (event === undefined) return
    const username = note.username ?? target?.user?.username
    await this.services.audit.record({
      event,
      outcome,
      ...(target?.user === undefined ? {} : { accountId: target.user.id }),
      ...(username === undefined ? {} : { username }),
      ...(client === undefined ? {} : { client }),
      ...(why === undefined ? {} : { reason: why }),
      by: account?.username ?? door,
      details: { ...note.details, door },
    })
  }
}

function changes<Input extends z.ZodObject>(operation: Operation<Input>, input: z.output<Input>): boolean {
  return operation.event !== undefined && operation.looksOnly?.(input) !== true
}

/** An operation that changes something makes the account, as a first sign-in would. */
async function withAccount({ accounts }: Services, { user, account }: Target): Promise<Required<Target>> {
  return { user, account: account ?? (await accounts.open(user)) }
}

function faults(error: z.ZodError): Refusal {
  const found = error.issues.map(({ path, message }) => ({ field: path.join('.'), sentence: message }))
  const said = found.map(({ field, sentence }) => (field === '' ? sentence : `${field}: ${sentence}`)).join('; ')
  return new Refusal('operation.input', said, { faults: found })
}
