import { runBundle } from './bundle.js'
import { useCompileCache } from './compile-cache.js'

/** What the supervisor starts. */

useCompileCache()

if (!(await runBundle('worker'))) await import('./worker.js')
