/** What the methods of a server of remote calls cost: the path of a method is its route. */

import { type L402Options, type L402Route, type RouteGate, routeGates } from '../../server/route-gates.ts'

/** One method and what it costs. */
export interface RpcMethod extends Omit<L402Route, 'name'> {
  /**
   * What each message costs, drawn from the credit before it goes on, e.g. `100 msat`, or msat as a bigint: those of the
   * answer, or those of the request where they stream alone. Needs `grants: { credit: … }`; in place of a `charge`. A call
   * costs one message at least.
   */
  readonly perMessage?: string | bigint
}

/** What each method costs, by its path, e.g. `/weather.Weather/Forecast`. */
export type RpcMethods = Readonly<Record<string, RpcMethod>>

/** Stands before one method. */
export interface RpcGate {
  readonly route: RouteGate
  /** What each message costs, in msat; `null` where messages cost nothing of their own. */
  readonly messageMsat: bigint | null
}

/**
 * Makes the gates of a server's methods.
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function rpcGates(options: L402Options): (methods: RpcMethods) => ReadonlyMap<string, RpcGate> {
  // Nobody reads what a call answers, whatever its client accepts.
  const gateOf = routeGates({ ...options, page: false })
  return (methods) =>
    new Map(Object.entries(methods).map(([path, method]) => [path, rpcGate(gateOf, path, method)]))
}

function rpcGate(
  gateOf: (route: L402Route) => RouteGate,
  path: string,
  { perMessage, ...offer }: RpcMethod,
): RpcGate {
  if (!/^\/[^/?#]+\/[^/?#]+$/.test(path))
    throw new RangeError(`invalid method ${path}: expected a path like /weather.Weather/Forecast`)
  if (perMessage !== undefined && offer.charge !== undefined)
    throw new RangeError(`invalid price of ${path}: expected either perMessage or a charge, got both`)
  const charge = perMessage === undefined ? offer.charge : { byHandler: true, estimate: perMessage }
  const route = gateOf({ ...offer, name: path, ...(charge === undefined ? {} : { charge }) })
  const { terms } = route
  if (terms.charge !== undefined && terms.charge.byHandler !== true)
    throw new RangeError(
      `invalid charge of ${path}: expected byHandler or perMessage, since bytes are not measured`,
    )
  if (terms.pricer?.readsBody === true)
    throw new RangeError(`invalid price of ${path}: expected one that does not depend on the message`)
  return { route, messageMsat: perMessage === undefined ? null : (terms.charge?.estimateMsat ?? null) }
}
