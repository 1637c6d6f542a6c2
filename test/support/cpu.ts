export * from '../../testing/cpu.js'
