/** One line of what `gatelodge doctor` found. */
export interface Finding {
  readonly status: 'ok' | 'warn' | 'fail'
  /** What was looked at. */
  readonly what: string
  readonly says: string
  /** What to do about it. */
  readonly todo?: string
}

export function ok(what: string, says: string): Finding {
  return { status: 'ok', what, says }
}

export function warn(what: string, says: string, todo: string): Finding {
  return { status: 'warn', what, says, todo }
}

export function fail(what: string, says: string, todo: string): Finding {
  return { status: 'fail', what, says, todo }
}
