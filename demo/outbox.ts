import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Fragment, type Html, html } from './application/html.js'

/** A mail or text message that the demonstration kept to itself. */
export interface KeptMessage {
  /** `hh:mm:ss`, UTC. */
  readonly at: string
  readonly to: string
  readonly subject?: string
  readonly text: string
}

/** A page with every message nobody else will receive. */
export interface Outbox {
  /** `http://host:port`; the page is at `/outbox`. */
  readonly url: string
  keep(message: KeptMessage): void
  close(): Promise<void>
}

/** Old ones go: the page is for looking at, not for keeping. */
const KEPT = 50

/**
 * What stands for phones and mailboxes while the demonstration runs, so that codes can be read and links opened. Open to
 * everybody who reaches the gateway: only a demonstration may have such a page.
 */
export async function startOutbox(): Promise<Outbox> {
  const messages: KeptMessage[] = []
  const server = createServer((request, response) => {
    const found = request.url?.split('?')[0] === '/outbox'
    response.writeHead(found ? 200 : 404, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
    })
    response.end(found ? outboxPage(messages).markup : 'There is nothing here.')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    keep(message) {
      messages.unshift(message)
      messages.splice(KEPT)
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function outboxPage(messages: readonly KeptMessage[]): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Outbox of the demonstration</title>
<link rel="icon" href="/assets/sign.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/desk.css">
</head>
<body>
<main class="across">
<h1>Outbox</h1>
<p class="lead">Every mail and text message of the demonstration, the newest first. Nobody else receives them.
<a href="/outbox">Look again</a></p>
${messages.map(messageItem)}
${messages.length === 0 ? html`<p class="empty">Nothing was sent yet.</p>` : undefined}
</main>
</body>
</html>
`
}

function messageItem({ at, to, subject, text }: KeptMessage): Fragment {
  return html`<section class="sheet">
<h2>${subject ?? 'Text message'}</h2>
<p>${at} UTC, to ${to}</p>
<p>${text
    .trim()
    .split('\n')
    .map((line) => html`${withLinks(line)}<br>`)}</p>
</section>`
}

function withLinks(line: string): readonly Fragment[] {
  const pieces = line.split(/(https?:\/\/\S+)/)
  return pieces.map((piece, i) => (i % 2 === 1 ? html`<a href="${piece}">${piece}</a>` : piece))
}
