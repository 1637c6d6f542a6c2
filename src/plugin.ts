/** `gatelodge/plugin`: the contracts, and what several kinds of plugins need. */
export * from './contracts.js'
export * from './plugin-kit.js'
