/** The paywall for NestJS on its Express platform: a guard, so that the controller that routes is the one that gates. */

import type { ServerResponse } from 'node:http'
import type { L402Options, L402Route } from '../server/route-gates.ts'
import { type ExpressRequest, l402 as expressL402 } from './express.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'

/** As much of Nest's `ExecutionContext` as is read here. */
export interface NestContext {
  getType(): string
  switchToHttp(): { getRequest<T>(): T; getResponse<T>(): T }
}

/** For `@UseGuards()`, on a handler or a whole controller. */
export interface NestGuard {
  /** Resolves to true once the request is paid for. One that is not is answered, and goes no further. */
  canActivate(context: NestContext): Promise<boolean>
}

/** A guard with a price. */
export type NestToll = (route: L402Route) => NestGuard

/**
 * Makes the guards of an app's handlers, which find who has paid in `req.l402`.
 *
 * @example
 * ```ts
 * import { Controller, Get, Req, UseGuards } from '@nestjs/common'
 * import { memoryLightning } from '@turnpike/l402/lightning/memory'
 * import { type L402Access, l402 } from '@turnpike/l402/nest'
 * import { memoryStore } from '@turnpike/l402/store/memory'
 *
 * const toll = l402({
 *   lightning: memoryLightning(),
 *   store: memoryStore(),
 *   keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
 *   services: { weather: {} },
 * })
 *
 *  @Controller('forecast')
 * export class ForecastController {
 *   @Get(':city')
 *   @UseGuards(toll({ name: 'GET /forecast/:city', price: '10 sat', grants: { calls: 50 } }))
 *   forecast(@Req() req: { l402?: L402Access | null }) {
 *     return { sky: 'clear', left: req.l402?.left.calls }
 *   }
 * }
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function l402(options: L402Options): NestToll {
  const toll = expressL402(options)
  return (route) => {
    const gate = toll(route)
    return {
      async canActivate(context) {
        if (context.getType() !== 'http')
          throw new TypeError(`the guard of "${route.name}" is for HTTP, got ${context.getType()}`)
        const http = context.switchToHttp()
        const req = http.getRequest<ExpressRequest>()
        if (req.rawHeaders === undefined)
          throw new TypeError(`the guard of "${route.name}" expected the Express platform`)
        // Like middleware, it does not go on where it has answered: there is nothing left for an exception filter to say.
        return new Promise<boolean>((resolve, reject) => {
          gate(req, http.getResponse<ServerResponse>(), (error) => {
            if (error === undefined) resolve(true)
            else reject(error)
          })
        })
      },
    }
  }
}
