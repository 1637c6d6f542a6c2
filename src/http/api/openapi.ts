import { z } from 'zod'
import type { TakenFile } from '../../operations/operation.js'
import { type ApiRoute, apiRoutes } from './routes.js'

/** The document that describes the management API (OpenAPI 3.1), made of the schemas that check its input. */
export function openApiDocument({ title, server }: { title: string; server: string }): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of apiRoutes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationObject(route) }
  }
  return {
    openapi: '3.1.0',
    // Anybody may read it: the version of the API, and not the release, which would tell what is not mended yet.
    info: { title, version: '1', description: 'What owners and support can do, for programs.' },
    servers: [{ url: server }],
    security: [{ appToken: [] }],
    paths,
    components: {
      securitySchemes: {
        appToken: {
          type: 'http',
          scheme: 'bearer',
          description: 'An application token that was issued with `--admin`.',
        },
      },
      schemas: { Problem: jsonSchema(problemDocument) },
      parameters: {
        IdempotencyKey: {
          name: 'Idempotency-Key',
          in: 'header',
          required: false,
          description: 'With the same key, a request that is sent again within 24 hours gets the first answer.',
          schema: { type: 'string', minLength: 1, maxLength: 255 },
        },
      },
      responses: {
        Problem: {
          description: 'Why it was not done (RFC 9457).',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  }
}

export const problemDocument = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string().describe('Never changes its meaning.'),
  detail: z.string().describe('For people.'),
  requestId: z.string().describe('Stands in the log as well.'),
  faults: z
    .array(z.object({ field: z.string(), sentence: z.string() }))
    .optional()
    .describe('By field, where the input is at fault.'),
})

function operationObject({ operation, method, inPath }: ApiRoute): object {
  const { name, summary, may, input, output, takes, hands } = operation
  const fields = input.shape as Readonly<Record<string, z.ZodType>>
  const rest = Object.keys(fields).filter((field) => !inPath.includes(field))
  const isRead = method === 'GET'
  const inQuery = takes === undefined ? (isRead ? rest : []) : rest.filter((field) => field !== takes.field)
  const left = Object.entries(fields).filter(([field]) => !inPath.includes(field))
  const body = z.strictObject(Object.fromEntries(left))
  return {
    operationId: name,
    summary: `${summary[0]?.toUpperCase()}${summary.slice(1)}.`,
    description: may === 'owner' ? 'For owners.' : 'For owners and support; support helps users alone.',
    parameters: [
      ...inPath.map((field) => parameter(field, 'path', fields[field])),
      ...inQuery.map((field) => parameter(field, 'query', fields[field])),
      ...(isRead || hands !== undefined ? [] : [{ $ref: '#/components/parameters/IdempotencyKey' }]),
    ],
    ...(isRead || rest.length === 0 ? {} : { requestBody: takes === undefined ? jsonBody(body) : fileBody(takes) }),
    responses: {
      200: {
        description: 'Done.',
        content: hands === undefined ? { 'application/json': { schema: jsonSchema(output, 'output') } } : text(hands),
      },
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

function jsonBody(body: z.ZodObject): object {
  return { required: !takesNothing(body), content: { 'application/json': { schema: jsonSchema(body) } } }
}

function fileBody({ types, bytes }: TakenFile): object {
  const description = `The file itself, at most ${bytes} bytes. Its type says the format, where the query does not.`
  return { required: true, description, content: text(Object.keys(types)) }
}

function text(types: readonly string[]): object {
  // Bytes have no schema (OpenAPI 3.1, 4.8.14.1).
  return Object.fromEntries(
    types.map((type) => [type, type === 'application/octet-stream' ? {} : { schema: { type: 'string' } }]),
  )
}

function parameter(name: string, where: 'path' | 'query', type: z.ZodType = z.string()): object {
  const required = where === 'path' || !type.safeParse(undefined).success
  const { description, ...schema } = jsonSchema(type) as { description?: string }
  return { name, in: where, required, ...(description === undefined ? {} : { description }), schema }
}

/** Whether an empty body will do. */
function takesNothing(body: z.ZodObject): boolean {
  return body.safeParse({}).success
}

function jsonSchema(type: z.ZodType, io: 'input' | 'output' = 'input'): object {
  const { $schema: _, ...schema } = z.toJSONSchema(type, { io, unrepresentable: 'any' })
  return schema
}
