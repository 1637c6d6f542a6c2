/** Exit codes of every command. */
export const done = 0

export const failed = 1

export const wrongUse = 2
