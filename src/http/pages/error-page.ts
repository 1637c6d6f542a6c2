import { commonData, type PageLook } from './parts.js'
import { pageHeaders } from './security-headers.js'

/** What an error page says; nothing of it is secret. */
export interface ErrorPageFacts {
  readonly status: number
  readonly code: string
  readonly sentence: string
  /** Stands in the log as well. */
  readonly requestId: string
  /** The address of a page of ours that helps. */
  readonly way?: string
}

export interface ErrorPage {
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

/** Errors in the look of the other pages, for wherever they happen: also for the load of a page of an application. */
export function errorPage(look: PageLook): (facts: ErrorPageFacts) => ErrorPage {
  const common = commonData(look)
  const headers = pageHeaders(look.secure)
  return (facts) => ({ html: look.templates.render('error', { ...common, ...facts }), headers })
}
