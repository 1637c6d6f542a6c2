export * from '../../testing/mail-server.js'
