import { configSchema } from '../../config/json-schema.js'

/** `gatelodge schema`: prints the JSON Schema that gives editors completion. */
export async function schema(
  _args: object = {},
  { stdout }: { readonly stdout: { write(text: string): unknown } } = process,
): Promise<0> {
  stdout.write(`${JSON.stringify(configSchema(), null, 2)}\n`)
  return 0
}
