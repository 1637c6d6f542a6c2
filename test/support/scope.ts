/** The part of a tap test that cleans up: what is registered runs when the test is over, the last first. */
export interface Scope {
  teardown(handler: () => unknown): void
}
