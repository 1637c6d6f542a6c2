import type { Store, WatchedKey } from '../contracts.js'
import { GatelodgeError } from '../errors.js'

/**
 * The store as the gateway knows it: whatever goes wrong in it is `store.unavailable`, so that users are told to come back
 * (503 with `Retry-After`) and not that something broke. What it was stays the cause, for the log.
 * @param onFailure told every time
 */
export function watchedStore(store: Store, onFailure: (cause: unknown) => void = () => {}): Store {
  const unavailable = (cause: unknown): never => {
    if (cause instanceof GatelodgeError) throw cause
    onFailure(cause)
    throw new GatelodgeError('store.unavailable', { cause })
  }
  return {
    get: (key) => store.get(key).catch(unavailable),
    set: (key, value, ttlSeconds) => store.set(key, value, ttlSeconds).catch(unavailable),
    add: (key, value, ttlSeconds) => store.add(key, value, ttlSeconds).catch(unavailable),
    replace: (key, expected, value, ttlSeconds) => store.replace(key, expected, value, ttlSeconds).catch(unavailable),
    delete: (key) => store.delete(key).catch(unavailable),
    increment: (key, ttlSeconds) => store.increment(key, ttlSeconds).catch(unavailable),
    list: (prefix, page) => store.list(prefix, page).catch(unavailable),
    ...(store.watch === undefined ? {} : { watch: (key) => orUnknown(store.watch?.(key)) }),
    ...(store.snapshot === undefined ? {} : { snapshot: store.snapshot.bind(store) }),
    ...(store.replaceAll === undefined ? {} : { replaceAll: store.replaceAll.bind(store) }),
    close: () => store.close(),
  }
}

/** What cannot be read is not known: whoever asks the store instead hears why. */
function orUnknown(watched: WatchedKey | undefined): WatchedKey {
  return {
    current: () => {
      try {
        return watched?.current()
      } catch {
        return undefined
      }
    },
  }
}
