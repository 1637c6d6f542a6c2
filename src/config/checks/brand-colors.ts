/** Colours of the hosted pages, each as in `#14654d`. */
export interface BrandColors {
  readonly accent: string
  /** Of what the pointer is on. */
  readonly accentStrong: string
  /** Of text on the accent. */
  readonly onAccent: string
  /** Behind notices: hardly there. */
  readonly tint: string
}

export interface BrandPalette {
  readonly light: BrandColors
  readonly dark: BrandColors
}

type Rgb = readonly [number, number, number]

/** WCAG 2.2, 1.4.3: text of any size. */
export const leastContrast = 4.5

/** What text in the accent stands on (assets/style.css). */
const grounds = { light: ['#ffffff', '#f3f4f1'], dark: ['#191f1c', '#101412', '#121715'] } as const

/**
 * One colour of the operator as the few that the pages need, light and dark: as it is where text in it can be read, and
 * otherwise mixed with black, or white, until it can.
 * @param color as in `#14654d`
 */
export function paletteOf(color: string): BrandPalette {
  return { light: colorsFor(color, 'light'), dark: colorsFor(color, 'dark') }
}

/** Of 1 (the same) to 21 (black on white): WCAG 2.2, "contrast ratio". */
export function contrast(one: string, other: string): number {
  const [lighter = 0, darker = 0] = [luminance(rgb(one)), luminance(rgb(other))].toSorted((a, b) => b - a)
  return (lighter + 0.05) / (darker + 0.05)
}

function colorsFor(color: string, mode: 'light' | 'dark'): BrandColors {
  const [end, paper] = mode === 'light' ? (['#000000', '#ffffff'] as const) : (['#ffffff', '#191f1c'] as const)
  const tintOf = (accent: string) => mixed(accent, paper, 0.9)
  const isReadable = (accent: string) =>
    [...grounds[mode], tintOf(accent)].every((ground) => contrast(accent, ground) >= leastContrast)
  const steps = Array.from({ length: 101 }, (_, step) => mixed(color, end, step / 100))
  const accent = steps.find(isReadable) ?? end
  const accentStrong = mixed(accent, end, 0.25)
  const onAccent = contrast('#ffffff', accent) >= contrast('#000000', accent) ? '#ffffff' : '#000000'
  return { accent, accentStrong, onAccent, tint: tintOf(accent) }
}

function mixed(color: string, other: string, share: number): string {
  const [a, b] = [rgb(color), rgb(other)]
  const part = (index: 0 | 1 | 2) => Math.round(a[index] * (1 - share) + b[index] * share)
  return `#${([0, 1, 2] as const).map((index) => part(index).toString(16).padStart(2, '0')).join('')}`
}

function rgb(color: string): Rgb {
  const number = Number.parseInt(color.slice(1), 16)
  return [number >> 16, (number >> 8) & 255, number & 255]
}

function luminance([red, green, blue]: Rgb): number {
  const linear = (value: number) => {
    const part = value / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}
