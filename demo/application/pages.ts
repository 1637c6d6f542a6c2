import type { Line, Sheet, Tool } from './desk.js'
import { limits } from './desk.js'
import { type Fragment, type Html, html } from './html.js'
import type { Person } from './person.js'

const places = [
  ['/', 'Tools'],
  ['/drawer', 'Drawer'],
  ['/board', 'Board'],
  ['/log', 'Log'],
  ['/admin/', 'Office'],
] as const

/** What every page needs to know besides its content. */
export interface PageFrame {
  readonly title: string
  readonly path: string
  readonly person: Person | undefined
  readonly script?: string
}

/** The whole document around a page. */
export function page({ title, path, person, script }: PageFrame, ...content: readonly Fragment[]): Html {
  const tab = ([href, label]: readonly [string, string]) =>
    html`<li><a href="${href}"${href === path ? html` aria-current="page"` : undefined}>${label}</a></li>`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} - Lane End Tool Library</title>
<link rel="icon" href="/assets/sign.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/desk.css">
${script === undefined ? undefined : html`<script src="${script}" defer></script>`}
</head>
<body>
<a class="skip" href="#content">Skip to the page</a>
<header class="wall">
<div class="across">
<a class="sign" href="/"><img src="/assets/sign.svg" alt="" width="44" height="44"><span>Lane End <b>Tool Library</b></span></a>
${whoIsHere(person)}
</div>
<nav aria-label="Desk"><ul class="across">${places.map(tab)}</ul></nav>
</header>
<main id="content" class="across">
${content}
</main>
<footer class="across">
<p>This desk has kept running untouched for years and knows nothing of passwords or codes. Whoever stands in front of it
told it your name.</p>
</footer>
</body>
</html>
`
}

function whoIsHere(person: Person | undefined): Html {
  if (!person) return html`<p class="who">Nobody is signed in</p>`
  return html`<p class="who"><span><span class="as">Signed in as</span> <a href="/.gatelodge/account"><b>${person.name}</b></a></span>
<a href="/.gatelodge/sign-out">Sign out</a></p>`
}

export function toolsPage(tools: readonly Tool[]): Html {
  const out = tools.filter((tool) => tool.lentTo !== undefined).length
  return html`<h1>On the wall today</h1>
<p class="lead">${tools.length} tools, ${out} of them out. Take one, or hang up another.</p>
<ul class="tags">${tools.map(tag)}</ul>
<section class="sheet" aria-labelledby="hang">
<h2 id="hang">Hang up a tool</h2>
${toolForm('/tools', 'Hang it up')}
</section>`
}

function tag(tool: Tool): Html {
  const isOut = tool.lentTo !== undefined
  return html`<li class="tag ${isOut ? 'out' : 'in'}">
<p class="shelf">${tool.shelf}</p>
<h2><a href="/tools/${tool.id}">${tool.name}</a></h2>
<p class="note">${tool.note}</p>
<p class="stamp">${isOut ? 'Out' : 'In'}</p>
<p class="has">${isOut ? html`<b>${tool.lentTo}</b> has it` : undefined}</p>
<form method="post" action="/tools/${tool.id}/hand-over"><button class="${isOut ? 'plain' : ''}">${isOut ? 'Bring back' : 'Borrow'}<span class="unseen"> ${tool.name}</span></button></form>
</li>`
}

export function toolPage(tool: Tool): Html {
  return html`<h1>${tool.name}</h1>
<p class="lead">${tool.lentTo === undefined ? `Hangs at ${tool.shelf}.` : `${tool.lentTo} has it.`}</p>
<section class="sheet" aria-labelledby="change"><h2 id="change">Write a new tag</h2>
${toolForm(`/tools/${tool.id}`, 'Save the tag', tool)}</section>
<p><a href="/">Back to the wall</a></p>`
}

function toolForm(action: string, label: string, tool?: Tool): Html {
  return html`<form method="post" action="${action}" class="fields">
<label>Name <input name="name" required maxlength="60" autocomplete="off" value="${tool?.name}"></label>
<label class="narrow">Place <input name="shelf" required maxlength="8" autocomplete="off" value="${tool?.shelf}"></label>
<label>Note <input name="note" maxlength="120" autocomplete="off" value="${tool?.note}"></label>
<button>${label}</button>
</form>`
}

export function drawerPage(sheets: readonly Sheet[]): Html {
  const list = html`<ul class="sheets">${sheets.map(
    (sheet) => html`<li>
<h2><a href="/drawer/${sheet.id}" download>${sheet.name}</a></h2>
<p><span data-bytes="${sheet.bytes.length}">${sizeOf(sheet.bytes.length)}</span>, brought by ${sheet.broughtBy}</p>
<p class="sum"><span>SHA-256</span> <code>${sheet.sha256}</code></p>
</li>`,
  )}</ul>`
  return html`<h1>The drawer</h1>
<p class="lead">Manuals and photographs. The sum shows that a file came through unchanged.</p>
<section class="sheet" aria-labelledby="file"><h2 id="file">File something</h2>
<form method="post" action="/drawer" enctype="multipart/form-data" class="fields">
<label>File (up to ${limits.sheetBytes / 2 ** 20} MiB) <input type="file" name="file" required></label>
<button>Put it in the drawer</button>
</form></section>
${sheets.length > 0 ? list : html`<p class="empty">The drawer is empty.</p>`}`
}

export function boardPage(lines: readonly Line[]): Html {
  return html`<h1>Notice board</h1>
<p class="lead">Pinned at once for everybody who looks, over a WebSocket. <span id="state" class="state" role="status">Not connected</span></p>
<form id="pin" method="post" action="/board" class="sheet fields">
<label>Notice <input name="text" required maxlength="200" autocomplete="off"></label>
<button>Pin it</button>
</form>
<ol id="notices" class="roll" aria-live="polite">${lines.map(lineItem)}</ol>`
}

export function logPage(lines: readonly Line[], now: number): Html {
  return html`<h1>The day's log</h1>
<p class="lead">Written as it happens, over an event stream. <span id="state" class="state" role="status">Not connected</span></p>
<p class="clock"><time id="clock">${clockOf(now)}</time> <span>UTC</span></p>
<ol id="lines" class="roll">${lines.map(lineItem)}</ol>`
}

function lineItem(line: Line): Html {
  return html`<li><time>${clockOf(line.at)}</time> <b>${line.who}</b> <span>${line.text}</span></li>`
}

export function officePage(person: Person | undefined, headers: readonly (readonly [string, string])[]): Html {
  return html`<h1>The office</h1>
<p class="lead">Behind the counter. The gateway asks for a second factor on the way in here.</p>
<section class="sheet" aria-labelledby="order"><h2 id="order">Put everything back</h2>
<p>Every tool back on the wall, the drawer emptied, as on the first morning.</p>
<form method="post" action="/admin/restock"><button class="plain">Restock the wall</button></form></section>
<section aria-labelledby="told"><h2 id="told">What the desk was told about you</h2>
<p>${person ? html`${person.name}${person.email ? ` <${person.email}>` : ''}, groups: ${person.groups.join(', ') || 'none'}.` : 'Nothing.'}
These are all the header fields of your request, as they arrived here:</p>
<div class="wide" tabindex="0" role="region" aria-label="Header fields"><table><thead><tr><th scope="col">Field</th><th scope="col">Value</th></tr></thead>
<tbody>${headers.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody></table></div>
</section>`
}

export function troublePage(sentence: string): Html {
  return html`<h1>That did not work</h1><p class="lead">${sentence}</p><p><a href="/">Back to the wall</a></p>`
}

/** Hours, minutes and seconds of the day, UTC. */
export function clockOf(at: number): string {
  return new Date(at).toISOString().slice(11, 19)
}

function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`
  return bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`
}
