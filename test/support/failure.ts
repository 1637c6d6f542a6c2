export * from '../../testing/failure.js'
