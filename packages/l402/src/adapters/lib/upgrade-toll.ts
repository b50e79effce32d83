/** The wrapper for `server.on('upgrade')`. */

import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { L402Access } from '../../server/access.ts'
import type { L402Route, RouteGate } from '../../server/route-gates.ts'
import { enterNode } from './enter-node.ts'
import { sendAnswer } from './node-lines.ts'

/** Takes the connection over; `l402` is `null` on a free route. */
export type UpgradeHandler = (
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  l402: L402Access | null,
) => void | Promise<void>

/** For `server.on('upgrade')`: puts a price in front of what takes connections over. */
export type UpgradeToll = (
  route: L402Route,
  handler: UpgradeHandler,
) => (req: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>

/** Makes the tolls of upgrades. */
export function upgradeToll(
  gateOf: (route: L402Route) => RouteGate,
  clientAddress?: (req: IncomingMessage) => string,
): UpgradeToll {
  return (route, handler) => {
    const gate = gateOf(route)
    checkUpgradeCharge(gate.terms)
    return async (req, socket, head) => {
      // Node listens no more to what goes wrong with it.
      const ignore = (): void => {}
      socket.on('error', ignore)
      const res = new ServerResponse(req)
      res.shouldKeepAlive = false
      res.assignSocket(req.socket)
      const visit = clientAddress === undefined ? {} : { clientAddress: clientAddress(req) }
      const entry = await enterNode(gate, { req, res, ...visit })
      if (entry.outcome === 'answer') {
        res.once('finish', () => socket.end())
        sendAnswer(res, entry.answer)
        return
      }
      res.detachSocket(req.socket)
      socket.off('error', ignore)
      try {
        await handler(req, socket, head, entry.access)
      } catch (error) {
        await entry.fail()
        socket.destroy()
        throw error
      }
    }
  }
}

/** What of a metered route can be measured on a connection. */
function checkUpgradeCharge({ name, service, charge }: RouteGate['terms']): void {
  const { requestByte, event, header, json, usage } = charge ?? {}
  if (requestByte ?? event ?? header ?? json ?? usage)
    throw new RangeError(
      `invalid charge of route "${name}" of service "${service}": expected fixed, seconds, responseBytes or byHandler for an upgrade`,
    )
}
