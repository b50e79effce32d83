/**
 * Who may use the sandbox's wallet: programs on this machine, and no web page that a browser on it happens to show.
 * The money is play money; what is guarded is what comes out of it, preimages included.
 */

import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Why a request may not use the wallet, or `undefined` if it may. */
export function sandboxObjection(
  request: IncomingMessage,
  listenHost: string,
): { readonly status: number; readonly detail: string } | undefined {
  if (!isLoopbackAddress(request.socket.remoteAddress ?? '')) {
    return { status: 403, detail: 'the sandbox is for programs on its own machine' }
  }
  const hosts = request.headersDistinct['host'] ?? []
  // DNS rebinding: the page's own name would stand here.
  if (hosts.length !== 1 || !isOwnName(hosts[0] ?? '', listenHost)) {
    return { status: 403, detail: 'expected a Host line with a loopback name' }
  }
  // With a POST, every browser says where the page comes from; no program does. So curl needs no Content-Type.
  if (request.headersDistinct['origin'] !== undefined) {
    return { status: 403, detail: 'the sandbox is not for web pages' }
  }
  return undefined
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Also for IPv4 addresses written as IPv6 ones. */
function isLoopbackAddress(address: string): boolean {
  const family = isIP(address)
  return family !== 0 && loopback.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

function isOwnName(hostLine: string, listenHost: string): boolean {
  const name = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(hostLine.toLowerCase())
  const host = name?.[1] ?? name?.[2] ?? ''
  return host === 'localhost' || host === listenHost || isLoopbackAddress(host)
}
