/** `key-missing`: what is sealed was sealed with another; `key-malformed`: it is none; `key-file`: the file fails. */
export type KeyErrorCode = 'secrets.key-missing' | 'secrets.key-malformed' | 'secrets.key-file'

/** Said to the operator when a key is not as it has to be. Repeats nothing of a key. */
export class KeyError extends Error {
  override readonly name = 'KeyError'
  readonly code: KeyErrorCode

  constructor(code: KeyErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
