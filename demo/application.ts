import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fieldsOf, fileOf, jsonOf, Refusal, sumOf } from './application/bodies.js'
import { Desk, limits, type Tool } from './application/desk.js'
import type { Html } from './application/html.js'
import { Live } from './application/live.js'
import * as pages from './application/pages.js'
import { type Person, personOf } from './application/person.js'

/** The sample, running. */
export interface DemoApplication {
  /** As in `http://127.0.0.1:3000`. */
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

/** What one answer needs to know. */
interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly path: string
  readonly person: Person | undefined
  readonly who: string
  readonly id: number
}

type Handler = (visit: Visit) => void | Promise<void>

/** `npm start` compiles to dist/demo, the files stay where they are written. */
const assetsDirectory = new URL('../../demo/assets/', import.meta.url)
const assetTypes = {
  'desk.css': 'text/css; charset=utf-8',
  'board.js': 'text/javascript; charset=utf-8',
  'log.js': 'text/javascript; charset=utf-8',
  'sign.svg': 'image/svg+xml',
}

/**
 * A small lending desk that stands for "the web application nobody can change": server-rendered pages, forms, an upload,
 * a WebSocket, an event stream and a bit of JSON, over nothing but node:http. It has no users and believes `Remote-User`.
 */
export async function startDemoApplication({
  port = 0,
  now = Date.now,
}: {
  port?: number
  now?: () => number
} = {}): Promise<DemoApplication> {
  const desk = new Desk(now)
  const live = new Live(desk, now)
  const assets = await loadAssets()

  const routes: ReadonlyArray<readonly [method: string, path: RegExp, handler: Handler]> = [
    ['GET', /^\/$/, (visit) => show(visit, 'Tools', pages.toolsPage(desk.tools()))],
    ['POST', /^\/tools$/, hangUp],
    ['GET', /^\/tools\/(\d{1,9})$/, (visit) => show(visit, 'Tag', pages.toolPage(toolOf(visit)))],
    ['POST', /^\/tools\/(\d{1,9})$/, changeTag],
    ['POST', /^\/tools\/(\d{1,9})\/hand-over$/, handOver],
    ['GET', /^\/drawer$/, (visit) => show(visit, 'Drawer', pages.drawerPage(desk.sheets()))],
    ['POST', /^\/drawer$/, fileSheet],
    ['GET', /^\/drawer\/(\d{1,9})$/, fetchSheet],
    ['GET', /^\/board$/, (visit) => show(visit, 'Board', pages.boardPage(desk.board.lines()), '/assets/board.js')],
    ['POST', /^\/board$/, pinNotice],
    ['GET', /^\/log$/, (visit) => show(visit, 'Log', pages.logPage(desk.log.lines(), now()), '/assets/log.js')],
    ['GET', /^\/log\/events$/, ({ request, response }) => live.follow(request, response)],
    ['GET', /^\/api\/items$/, ({ response }) => answerJson(response, 200, { items: desk.tools() })],
    ['POST', /^\/api\/items$/, hangUpByApi],
    ['POST', /^\/api\/sum$/, async ({ request, response }) => answerJson(response, 200, await sumOf(request))],
    ['GET', /^\/admin\/?$/, (visit) => show(visit, 'Office', pages.officePage(visit.person, headersOf(visit.request)))],
    ['POST', /^\/admin\/restock$/, restock],
    ['GET', /^\/assets\/[a-z.]+$/, sendAsset],
  ]

  const server = createServer((request, response) => {
    answer(request, response).catch((fault: unknown) => refuse(request, response, fault))
  })
  server.on('upgrade', (request, stream, head) => live.upgrade(request, stream, head))
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const { port: boundPort } = server.address() as AddressInfo

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0] ?? '/'
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const here = routes.filter(([, pattern]) => pattern.test(path))
    const route = here.find(([each]) => each === method)
    if (here.length === 0) throw new Refusal(404, 'There is nothing on this shelf.')
    if (!route) throw new Refusal(405, 'This cannot be done here.')
    const [, pattern, handler] = route
    const person = personOf(request.headers)
    const id = Number(pattern.exec(path)?.[1])
    await handler({ request, response, path, person, who: person?.name ?? 'somebody', id })
  }

  function toolOf({ id }: Visit): Tool {
    const tool = desk.tool(id)
    if (!tool) throw new Refusal(404, 'That tool is not on the wall any more.')
    return tool
  }

  async function hangUp({ request, response, who }: Visit): Promise<void> {
    const tool = desk.hangUp(tagOf(Object.fromEntries(await fieldsOf(request))), who)
    if (!tool) throw new Refusal(409, `The wall is full: it holds ${limits.tools} tools.`)
    seeOther(response, '/')
  }

  async function hangUpByApi({ request, response, who }: Visit): Promise<void> {
    const tool = desk.hangUp(tagOf(await jsonOf(request)), who)
    if (!tool) throw new Refusal(409, `The wall is full: it holds ${limits.tools} tools.`)
    answerJson(response, 201, tool)
  }

  async function changeTag(visit: Visit): Promise<void> {
    desk.change(toolOf(visit).id, tagOf(Object.fromEntries(await fieldsOf(visit.request))), visit.who)
    seeOther(visit.response, '/')
  }

  function handOver(visit: Visit): void {
    desk.handOver(toolOf(visit).id, visit.who)
    seeOther(visit.response, '/')
  }

  async function fileSheet({ request, response, who }: Visit): Promise<void> {
    const { name, bytes } = await fileOf(request, limits.sheetBytes)
    desk.file(name, bytes, who)
    seeOther(response, '/drawer')
  }

  function fetchSheet({ response, id }: Visit): void {
    const sheet = desk.sheet(id)
    if (!sheet) throw new Refusal(404, 'That sheet is not in the drawer any more.')
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': sheet.bytes.length,
      // Never shown inline: a page somebody filed would run on this origin.
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(sheet.name)}`,
      'x-content-type-options': 'nosniff',
    })
    response.end(sheet.bytes)
  }

  async function pinNotice({ request, response, who }: Visit): Promise<void> {
    const text = (await fieldsOf(request)).get('text')?.trim().slice(0, 200)
    if (text) desk.board.write(who, text)
    seeOther(response, '/board')
  }

  function restock({ response, who }: Visit): void {
    desk.restock()
    desk.log.write(who, 'put everything back')
    seeOther(response, '/')
  }

  function sendAsset({ response, path }: Visit): void {
    const asset = assets.get(path)
    if (!asset) throw new Refusal(404, 'There is nothing on this shelf.')
    response.writeHead(200, { 'content-type': asset.type, 'cache-control': 'max-age=300' }).end(asset.bytes)
  }

  return {
    url: `http://127.0.0.1:${boundPort}`,
    port: boundPort,
    async close() {
      const closed = once(server, 'close')
      server.close()
      live.close()
      server.closeAllConnections()
      live.destroy()
      await closed
    },
  }
}

async function loadAssets(): Promise<ReadonlyMap<string, { type: string; bytes: Buffer }>> {
  const entries = Object.entries(assetTypes).map(async ([name, type]) => {
    const bytes = await readFile(new URL(name, assetsDirectory))
    return [`/assets/${name}`, { type, bytes }] as const
  })
  return new Map(await Promise.all(entries))
}

/** The three fields of a tag out of a form or a JSON document. */
function tagOf(fields: unknown): Pick<Tool, 'name' | 'shelf' | 'note'> {
  const record: Record<string, unknown> = typeof fields === 'object' && fields !== null ? { ...fields } : {}
  const text = (field: string, maxLength: number) =>
    String(record[field] ?? '')
      .trim()
      .slice(0, maxLength)
  const tag = { name: text('name', 60), shelf: text('shelf', 8), note: text('note', 120) }
  if (!tag.name || !tag.shelf) throw new Refusal(400, 'A tag needs a name and a place.')
  return tag
}

function headersOf({ rawHeaders }: IncomingMessage): ReadonlyArray<readonly [string, string]> {
  return rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ''] as const] : []))
}

function show({ response, path, person }: Visit, title: string, content: Html, script?: string): void {
  answerHtml(response, 200, pages.page({ title, path, person, ...(script === undefined ? {} : { script }) }, content))
}

function answerHtml(response: ServerResponse, status: number, document: Html): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(document.markup)
}

function answerJson(response: ServerResponse, status: number, document: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(document)}\n`)
}

function seeOther(response: ServerResponse, location: string): void {
  response.writeHead(303, { location }).end()
}

function refuse(request: IncomingMessage, response: ServerResponse, fault: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const { status, message } =
    fault instanceof Refusal ? fault : { status: 500, message: 'The desk is at a loss. Try again.' }
  // Whatever else was on its way in is not read.
  if (!request.complete) response.setHeader('connection', 'close')
  const person = personOf(request.headers)
  const path = request.url?.split('?')[0] ?? '/'
  if (path.startsWith('/api/')) answerJson(response, status, { error: message })
  else answerHtml(response, status, pages.page({ title: 'Trouble', path, person }, pages.troublePage(message)))
}
