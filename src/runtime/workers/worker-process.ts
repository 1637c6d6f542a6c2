import { runBundle } from '../bundle.js'
import { useCompileCache } from '../compile-cache.js'

/** What the supervisor starts. */

// A terminal sends these to every process, and systemd: the supervisor passes on what is meant.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

useCompileCache()

if (!(await runBundle('worker'))) await import('./worker.js')
