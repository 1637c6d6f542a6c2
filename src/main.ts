#!/usr/bin/env node
import { runBundle } from './runtime/bundle.js'
import { useCompileCache } from './runtime/compile-cache.js'

useCompileCache()

if (!(await runBundle('program'))) await (await import('./command-line/program.js')).runProgram()
