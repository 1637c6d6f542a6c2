/** Where a request came from, as the audit and the budgets see it. */
export interface ClientFacts {
  /** Canonical address, or `unreadable`. */
  readonly address: string
  /** What the per-network budgets count by: the IPv4 address or the IPv6 /64. */
  readonly network: string
  readonly userAgent: string
  readonly requestId: string
  /** Host name of the configured site that was asked, where it has one. */
  readonly site?: string
}
