import assert from 'node:assert'
import test from 'node:test'
import { build, inRunner, lentHost, SmsProvider, smsTransportContract } from 'gatelodge/testing'
import plugin from 'gatelodge-sms-provider'

const options = { token: 'canary-token', sender: 'Lodge' }

smsTransportContract(inRunner(test), {
  name: 'gatelodge-sms-provider',
  build: (url, host, timeoutSeconds) => build(plugin, { ...options, url, timeoutSeconds }, host),
  read: (body) => {
    const { to, text } = JSON.parse(body)
    return { to, text }
  },
  knowsNonsense: false,
  secrets: [options.token],
})

test('the provider is told who sends, and gets the token as a header', async () => {
  const provider = await SmsProvider.start()
  const transport = await build(plugin, { ...options, url: provider.url }, lentHost())
  await transport.send({ to: '+12025550143', text: 'Hello' })
  await provider.stop()
  const [request] = provider.requests
  assert.equal(request.headers.authorization, 'Bearer canary-token')
  assert.equal(JSON.parse(request.body).from, 'Lodge')
})

test('an address with a password in it, or with no token beside it, is refused', () => {
  const url = 'https://sms.example.com/messages'
  assert.ok(plugin.options.safeParse({ ...options, url }).success)
  assert.ok(!plugin.options.safeParse({ ...options, url: 'https://gate:word@sms.example.com' }).success)
  assert.ok(!plugin.options.safeParse({ sender: 'Lodge', url }).success)
})
