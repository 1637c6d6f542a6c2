import type { HTTPMethods } from 'fastify'
import { operations } from '../../operations/catalog.js'
import type { Operation } from '../../operations/operation.js'

/** Where an operation is found under `/api/v1`. */
export interface ApiRoute {
  readonly operation: Operation
  readonly method: HTTPMethods & ('GET' | 'POST' | 'PUT' | 'DELETE')
  /** As OpenAPI writes it: `/users/{user}/role`. */
  readonly path: string
  /** Names of the fields that stand in the path. */
  readonly inPath: readonly string[]
}

/** Every operation that has a door here. */
export const apiRoutes: readonly ApiRoute[] = operations.flatMap((operation) => {
  const { api } = operation.doors
  if (typeof api !== 'string') return []
  const [method, path = ''] = api.split(' ')
  if (method !== 'GET' && method !== 'POST' && method !== 'PUT' && method !== 'DELETE') {
    throw new Error(`${operation.name} has a door of no kind: ${api}`)
  }
  return [{ operation, method, path, inPath: [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name) }]
})
