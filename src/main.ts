#!/usr/bin/env node
import { runBundle } from './runtime/bundle.js'
import { useCompileCache } from './runtime/compile-cache.js'
import { StopSignals } from './runtime/stop-signals.js'

// Before anything that takes its time: without listeners, signals end a gateway in the middle of its start.
const stop = process.argv[2] === 'start' ? new StopSignals() : undefined
// The file is still to be read.
if (stop !== undefined) process.on('SIGHUP', () => {})

useCompileCache()

if (!(await runBundle('program', stop))) await (await import('./cli/program/program.js')).runProgram(stop)
