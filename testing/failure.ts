import { TransportError } from '../src/contracts.js'

/** How sending failed. @throws when it did not, or not in the way transports may. */
export async function failure(sending: Promise<unknown>): Promise<TransportError> {
  try {
    await sending
  } catch (error) {
    if (error instanceof TransportError) return error
    throw error
  }
  throw new Error('the message was taken, but should not have been')
}
