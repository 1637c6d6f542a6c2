/**
 * `gatelodge/testing`: what every plugin of a kind has to keep, as suites that run in the plugin's own tests, and what they
 * need: a host as the gateway lends it, and servers in the place of providers.
 */
export { type BrowserDevice, type BrowserFactorUnderTest, browserFactorContract } from './browser-factor.js'
export { build, type LogLine, lentHost } from './lent-host.js'
export { type MailSubject, mailTransportContract } from './mail-transport.js'
export { type Declare, inRunner, type SuiteTest } from './runner.js'
export { type CheckedFactorUnderTest, checkedFactorContract } from './second-factor.js'
export { SmsProvider } from './sms-provider.js'
export { type SmsSubject, smsTransportContract } from './sms-transport.js'
export { type StoreUnderTest, storeContract } from './store.js'
export type { StoreProcessSettings } from './store-process.js'
export { type DirectoryUnderTest, userDirectoryContract, writableDirectoryContract } from './user-directory.js'
