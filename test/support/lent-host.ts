export * from '../../testing/lent-host.js'
