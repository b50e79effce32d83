/** The gateway that suites against other programs put beside them: one service with a free, a pass and a bundle route. */

import {
  type Bought,
  configOf,
  folderWith,
  type Program,
  serve,
} from '../../packages/gateway/test/e2e/program.ts'

/** What the shop sells below `/paid/` costs a call each. */
const BUNDLE = 1_000_000

/** Starts one. `top` and `service` are further lines of the configuration. */
export function openShop(
  upstream: string,
  {
    top = '',
    service = '',
    routes = [],
  }: { readonly top?: string; readonly service?: string; readonly routes?: readonly string[] } = {},
): Promise<Program> {
  return serve(
    folderWith(
      configOf({
        upstream,
        top,
        service,
        routes: [
          ...routes,
          '{ match: "/free/*", free: true }',
          '{ match: "/pass/*", price: 10 sat, grants: { valid: 7d } }',
          `{ match: "/paid/*", price: 10 sat, grants: { calls: ${BUNDLE} } }`,
        ],
      })
        .replace('log: { level: debug, requests: all }', 'log: { level: warn }')
        // The sandbox's node is in the gateway's process, and what it remembers of invoices is no growth of the gateway's.
        .replace('challenges: { limit: off }', 'challenges: { limit: off, reuse: true }'),
    ),
  )
}

/** How many calls of the bundle are used, by the `RateLimit` line of an answer. */
export function usedOf(rateLimit: string): number {
  const left = /r=(\d+)/.exec(rateLimit)?.[1]
  if (left === undefined) throw new Error(`no rest in "${rateLimit}"`)
  return BUNDLE - Number(left)
}

/** The `Authorization` line of what was bought, as programs take it. */
export function headerOf({ authorization }: Bought): string {
  return `Authorization: ${authorization}`
}
