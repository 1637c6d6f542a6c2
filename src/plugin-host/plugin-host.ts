import type { Complaint } from '../config/complaints.js'
import { formatPath } from '../config/problem.js'
import type {
  Host,
  Logger,
  MailTransport,
  Passwords,
  PluginKind,
  PluginKinds,
  PluginReference,
  Store,
} from '../contracts.js'
import { censor, firstLine, PluginCatalog, soundsHarmless } from './catalog.js'
import { ScopedStore } from './scoped-store.js'

/** What the host lends to plugins. */
export interface PluginHostSettings {
  /** Directory of the YAML file: where relative paths and npm packages are looked for. */
  readonly baseDirectory: string
  now(): number
  readonly log: Logger
  readonly passwords: Passwords
  /** Where people are asked; the first is that of `publicUrl`. */
  readonly origins?: readonly string[] | undefined
  /** How long one plugin may take to close; 5,000 unless told otherwise. */
  readonly closeMilliseconds?: number
}

/** A plugin that cannot be found, has wrong options, or could not be built. For the operator: no secret in the message. */
export class PluginError extends Error {
  override readonly name = 'PluginError'
  readonly complaints: readonly Complaint[]

  constructor(kind: PluginKind, use: string, complaints: readonly Complaint[]) {
    const words = complaints.map(({ path, message }) =>
      path.length === 0 ? message : `${formatPath(path)} ${message}`,
    )
    super(`${kind}, use: ${use}: ${words.join('; ')}`)
    this.complaints = complaints
  }
}

interface Closable {
  readonly name: string
  close(): unknown
}

/** Builds plugins by name, lends them what they may use, and closes them in reverse order. */
export class PluginHost {
  readonly #catalog: PluginCatalog
  readonly #settings: PluginHostSettings
  readonly #open: Closable[] = []
  #store: Store | undefined
  #sealingStore: Store | undefined
  #mail: MailTransport | undefined
  #isClosed = false

  constructor(settings: PluginHostSettings) {
    this.#settings = settings
    this.#catalog = new PluginCatalog(settings.baseDirectory)
  }

  /**
   * The store the other plugins get their part of. It is a plugin itself, so it comes after the host.
   * @param sealing the same for those that may keep a secret in it: all but directories, which keep hashes and are searched
   */
  useStore(store: Store, sealing: Store = store): void {
    this.#store = store
    this.#sealingStore = sealing
  }

  /** What the file names under `mail`, for plugins built from now on. */
  useMail(mail: MailTransport): void {
    this.#mail = mail
  }

  /** What is wrong with a reference, and with what it nests; paths are relative to it. Builds nothing. */
  async checkOptions(kind: PluginKind, reference: PluginReference): Promise<readonly Complaint[]> {
    return this.#catalog.check(kind, reference)
  }

  /**
   * Finds, checks and builds. What has a `close` is closed with the host.
   * @throws {@link PluginError}
   */
  async load<Kind extends PluginKind>(kind: Kind, reference: PluginReference): Promise<PluginKinds[Kind]> {
    const { use } = reference
    if (this.#isClosed) throw new PluginError(kind, use, [complaint('is asked for while the gateway closes')])
    const found = await this.#catalog.find(kind, use)
    if ('complaint' in found) throw new PluginError(kind, use, [found.complaint])
    const parsed = this.#catalog.parse(found.plugin, reference)
    if ('complaints' in parsed) throw new PluginError(kind, use, parsed.complaints)
    const built = await this.#build(kind, reference, () =>
      found.plugin.create(parsed.options, this.#lend(kind, reference)),
    )
    if (!isObject(built)) throw new PluginError(kind, use, [complaint('built nothing: its create returned no object')])
    if (typeof built.close === 'function') await this.#keep({ name: `${kind}/${use}`, close: () => built.close?.() })
    // The plugin says by its kind what it builds; TypeScript cannot follow a name through a file.
    return built as PluginKinds[Kind]
  }

  /** Closes in reverse order of building. One that fails or hangs is logged and does not keep the others. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (let one = this.#open.pop(); one; one = this.#open.pop()) await this.#closeOne(one)
  }

  async #build(kind: PluginKind, reference: PluginReference, create: () => unknown): Promise<unknown> {
    const { use } = reference
    try {
      return await create()
    } catch (error) {
      if (error instanceof PluginError) throw error
      const words = censor(firstLine(error), reference, soundsHarmless(reference))
      throw new PluginError(kind, use, [complaint(`could not be started: ${words}`)])
    }
  }

  #lend(kind: PluginKind, { use, name }: PluginReference): Host {
    const { now, log, passwords, origins } = this.#settings
    // Two directories of one kind keep their own things, too.
    const part = kind === 'user-directories' && typeof name === 'string' ? `@${encodeURIComponent(name)}` : ''
    const scope = `plugin:${kind}:${encodeURIComponent(use)}${part}:`
    const store = new ScopedStore(() => this.#storeFor(kind), scope)
    const load: Host['load'] = (kind, reference) => this.load(kind, reference)
    return { now: () => now(), log, store, passwords, mail: this.#mail, origins, load }
  }

  #storeFor(kind: PluginKind): Store {
    if (kind === 'stores') throw new Error('A store keeps things itself: host.store is not for stores.')
    const store = kind === 'user-directories' ? this.#store : this.#sealingStore
    if (!store) throw new Error('host.store was used before the store was open.')
    return store
  }

  /** One that was being built while the host closed is closed at once. */
  async #keep(one: Closable): Promise<void> {
    if (this.#isClosed) await this.#closeOne(one)
    else this.#open.push(one)
  }

  async #closeOne({ name, close }: Closable): Promise<void> {
    const { log, closeMilliseconds = 5_000 } = this.#settings
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('took too long')), closeMilliseconds)
    })
    try {
      await Promise.race([Promise.resolve().then(close), deadline])
    } catch (error) {
      log.warn({ plugin: name, err: error }, 'a plugin did not close')
    } finally {
      clearTimeout(timer)
    }
  }
}

function complaint(message: string): Complaint {
  return { path: [], at: 'value', message }
}

function isObject(value: unknown): value is { close?(): unknown } {
  return typeof value === 'object' && value !== null
}
