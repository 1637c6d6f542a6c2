import { z } from 'zod'
import { settingsSchema } from './schema.js'

/** The configuration as JSON Schema (2020-12), for editors: what may be written, with words for every key. */
export function configSchema(): object {
  const schema = z.toJSONSchema(settingsSchema, {
    io: 'input',
    override({ jsonSchema }) {
      // What complaints say and what the plugin host looks for is nothing editors know.
      for (const note of ['accepts', 'known', 'pluginKind', 'filePath', 'isSpread', 'units']) delete jsonSchema[note]
    },
  })
  return { ...schema, title: 'Configuration of Gatelodge' }
}
