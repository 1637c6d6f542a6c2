export * from '../../testing/sms-provider.js'
