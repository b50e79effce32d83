import { expect, it } from 'vitest'
import type { ListedRoute } from './listing.ts'
import { openApiDocument } from './openapi.ts'

it('tells the Payment scheme of routes that offer it, and not of those paid on delivery', () => {
  const route = (path: string, hold: boolean): ListedRoute => ({
    service: 'weather',
    match: `GET ${path}`,
    methods: ['GET'],
    path,
    free: false,
    priceMsat: 10_000n,
    grants: { calls: 1 },
    reuse: 'single',
    hold,
    memo: undefined,
  })
  const routes = [route('/now', false), route('/delivered', true)]
  const { paths } = openApiDocument({
    services: [{ name: 'weather', description: undefined, routes, conditions: [] }],
    titles: { title: undefined, description: undefined },
    payment: true,
    own: undefined,
  }) as { paths: Record<string, { get: object }> }
  expect(paths['/now']?.get).toHaveProperty('x-payment-info')
  expect(paths['/now']?.get).toMatchObject({ security: [{ L402: [] }, { Payment: [] }] })
  expect(paths['/delivered']?.get).not.toHaveProperty('x-payment-info')
  expect(paths['/delivered']?.get).toMatchObject({ security: [{ L402: [] }] })
})
