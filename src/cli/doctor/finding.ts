/** One line of what `gatelodge doctor` found. */
export interface DoctorFinding {
  readonly status: 'ok' | 'warn' | 'fail'
  /** What was looked at. */
  readonly what: string
  readonly says: string
  /** What to do about it. */
  readonly todo?: string
}

export function ok(what: string, says: string): DoctorFinding {
  return { status: 'ok', what, says }
}

export function warn(what: string, says: string, todo: string): DoctorFinding {
  return { status: 'warn', what, says, todo }
}

export function fail(what: string, says: string, todo: string): DoctorFinding {
  return { status: 'fail', what, says, todo }
}
