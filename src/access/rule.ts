/** What a rule asks for; `signed-in` leaves the second factor to networks, accounts and the installation. */
export type Access = 'public' | 'password' | 'signed-in' | 'second-factor' | 'deny'

/** One rule as YAML has it. Paths are whole paths as the browser asks for them, the site's own path included. */
export interface RuleSettings {
  readonly path: string
  /** Case-sensitive; `GET` stands for `HEAD`, too. None: any. */
  readonly methods?: readonly string[] | undefined
  /** Networks of clients. None: any. */
  readonly from?: readonly string[] | undefined
  readonly access: Access
  /** Programs (API accounts, app tokens) may pass with their password or token alone. */
  readonly clients?: 'api' | undefined
  /** CORS preflights for the requests of this rule pass, though they carry no credentials. */
  readonly preflight?: 'pass' | undefined
  /** Being in one of them is enough. */
  readonly groups?: readonly string[] | undefined
  /** Being one of them is enough, too. With neither: anybody. */
  readonly users?: readonly string[] | undefined
  /** How old the proof may be that is needed here. */
  readonly reauthenticateSeconds?: number | undefined
  /** Both proofs, and one of them a passkey: what no false page can ask for. */
  readonly proof?: 'passkey' | undefined
  /** In the YAML file, from 1. */
  readonly line: number
}

/** A rule that fits a request. */
export interface Rule {
  readonly path: string
  readonly access: Access
  readonly clients?: 'api' | undefined
  readonly preflight?: 'pass' | undefined
  readonly groups?: readonly string[] | undefined
  /** Folded, as names are compared by. */
  readonly users?: readonly string[] | undefined
  readonly reauthenticateSeconds?: number | undefined
  readonly proof?: 'passkey' | undefined
  /** `undefined` for the rule that stands where none fits. */
  readonly line?: number | undefined
  /**
   * Rules that fit the same request read in another way (see `readings`), or from an address that could not be read.
   * `decide` lets a request pass only where all of them do.
   */
  readonly also?: readonly Rule[]
}
