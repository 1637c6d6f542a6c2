import { createHash } from 'node:crypto'

export interface Tool {
  readonly id: number
  readonly name: string
  readonly shelf: string
  readonly note: string
  /** Who has it; `undefined` while it hangs on the wall. */
  readonly lentTo: string | undefined
}

export interface Sheet {
  readonly id: number
  readonly name: string
  readonly bytes: Buffer
  readonly sha256: string
  readonly broughtBy: string
}

export interface Line {
  readonly id: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly who: string
  readonly text: string
}

/** What fits: this runs in front of strangers and keeps everything in memory. */
export const limits = { tools: 200, lines: 60, sheets: 24, sheetBytes: 32 * 2 ** 20, allSheetsBytes: 96 * 2 ** 20 }

const wall: ReadonlyArray<Omit<Tool, 'id'>> = [
  { name: 'Cordless drill', shelf: 'A1', note: 'Two batteries, both on the charger', lentTo: undefined },
  { name: 'Japanese pull saw', shelf: 'A2', note: 'Cuts on the pull. Blade cover stays on', lentTo: 'Marta' },
  { name: 'Block plane No. 5', shelf: 'B1', note: 'Sharpened in May', lentTo: undefined },
  { name: 'Torque wrench', shelf: 'B4', note: '20 to 200 Nm, wind back to zero', lentTo: undefined },
  { name: 'Tile cutter', shelf: 'C2', note: 'Heavy: two people', lentTo: 'Idris' },
  { name: 'Laser level', shelf: 'C3', note: 'Tripod hangs behind the door', lentTo: undefined },
]

/** The lending desk: tools on the wall, sheets in the drawer, notices on the board, and the day's log. */
export class Desk {
  readonly log: Roll
  readonly board: Roll
  readonly #tools = new Map<number, Tool>()
  readonly #sheets = new Map<number, Sheet>()
  #lastId = 0

  constructor(now: () => number) {
    this.log = new Roll(now)
    this.board = new Roll(now)
    this.restock()
  }

  tools(): readonly Tool[] {
    return [...this.#tools.values()]
  }

  tool(id: number): Tool | undefined {
    return this.#tools.get(id)
  }

  /** `undefined` when the wall is full. */
  hangUp(fields: Pick<Tool, 'name' | 'shelf' | 'note'>, who: string): Tool | undefined {
    if (this.#tools.size >= limits.tools) return undefined
    const tool = { ...fields, id: ++this.#lastId, lentTo: undefined }
    this.#tools.set(tool.id, tool)
    this.log.write(who, `hung up ${tool.name}`)
    return tool
  }

  change(id: number, fields: Pick<Tool, 'name' | 'shelf' | 'note'>, who: string): boolean {
    const tool = this.#tools.get(id)
    if (!tool) return false
    this.#tools.set(id, { ...tool, ...fields })
    this.log.write(who, `changed the tag of ${fields.name}`)
    return true
  }

  /** Lends a tool that is here, takes back one that is out. */
  handOver(id: number, who: string): boolean {
    const tool = this.#tools.get(id)
    if (!tool) return false
    const lentTo = tool.lentTo === undefined ? who : undefined
    this.#tools.set(id, { ...tool, lentTo })
    this.log.write(who, lentTo === undefined ? `brought back ${tool.name}` : `borrowed ${tool.name}`)
    return true
  }

  sheets(): readonly Sheet[] {
    return [...this.#sheets.values()].reverse()
  }

  sheet(id: number): Sheet | undefined {
    return this.#sheets.get(id)
  }

  /** Puts a file in the drawer; the oldest ones go when it is full. */
  file(name: string, bytes: Buffer, who: string): Sheet {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const sheet = { id: ++this.#lastId, name, bytes, sha256, broughtBy: who }
    this.#sheets.set(sheet.id, sheet)
    this.log.write(who, `filed ${name}`)
    let total = this.sheets().reduce((sum, each) => sum + each.bytes.length, 0)
    for (const oldest of this.#sheets.values()) {
      if (this.#sheets.size <= limits.sheets && total <= limits.allSheetsBytes) break
      this.#sheets.delete(oldest.id)
      total -= oldest.bytes.length
    }
    return sheet
  }

  /** Everything as on the first morning. */
  restock(): void {
    this.#tools.clear()
    this.#sheets.clear()
    for (const tool of wall) {
      const id = ++this.#lastId
      this.#tools.set(id, { ...tool, id })
    }
  }
}

/** The last lines written, and whoever reads along. */
export class Roll {
  readonly #now: () => number
  readonly #readers = new Set<(line: Line) => void>()
  #lines: readonly Line[] = []
  #lastId = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** Oldest first. */
  lines(): readonly Line[] {
    return this.#lines
  }

  write(who: string, text: string): Line {
    const line = { id: ++this.#lastId, at: this.#now(), who, text }
    this.#lines = [...this.#lines, line].slice(-limits.lines)
    for (const reader of this.#readers) reader(line)
    return line
  }

  /** Calls back for every new line until the returned function is called. */
  follow(reader: (line: Line) => void): () => void {
    this.#readers.add(reader)
    return () => this.#readers.delete(reader)
  }
}
