/** The client's side of SOCKS 5 (RFC 1928), without authentication: enough for Tor. */

import { connect, type Socket } from 'node:net'

interface Address {
  readonly host: string
  readonly port: number
}

const HANDSHAKE_MS = 30_000
const REPLIES: Readonly<Record<number, string>> = {
  2: 'not allowed',
  3: 'network unreachable',
  4: 'host unreachable',
  5: 'connection refused',
  6: 'time-out',
}

/** A connection to `target` through the proxy, which resolves the name. Rejects with `syscall` "connect": nothing was sent. */
export function connectThroughSocks(proxy: Address, target: Address): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const name = Buffer.from(target.host, 'latin1')
    const socket = connect(proxy.port, proxy.host)
    const fail = (why: string): void => {
      socket.destroy()
      reject(Object.assign(new Error(`SOCKS proxy: ${why}`), { code: 'ECONNREFUSED', syscall: 'connect' }))
    }
    if (name.length > 255) return fail('the host name is too long')
    let got = Buffer.alloc(0)
    let greeted = false
    const read = (chunk: Buffer): unknown => {
      got = Buffer.concat([got, chunk])
      if (!greeted) {
        if (got.length < 2) return undefined
        if (got[0] !== 5 || got[1] !== 0) return fail('it does not let in without a password')
        greeted = true
        got = got.subarray(2)
        const port = Buffer.from([target.port >> 8, target.port & 0xff])
        socket.write(Buffer.concat([Buffer.from([5, 1, 0, 3, name.length]), name, port]))
      }
      if (got.length < 5) return undefined
      if (got[0] !== 5 || got[1] !== 0) return fail(REPLIES[got[1] ?? 1] ?? 'refused')
      const addressBytes = got[3] === 1 ? 4 : got[3] === 4 ? 16 : 1 + (got[4] ?? 0)
      const length = 4 + addressBytes + 2
      if (got.length < length) return undefined
      socket.removeListener('data', read)
      socket.removeAllListeners('error').removeAllListeners('close')
      socket.setTimeout(0).pause()
      if (got.length > length) socket.unshift(got.subarray(length))
      return resolve(socket)
    }
    socket.setTimeout(HANDSHAKE_MS, () => fail('no answer'))
    socket.once('connect', () => socket.write(Buffer.from([5, 1, 0])))
    socket.on('data', read)
    socket.once('error', () => fail('nothing answers there'))
    socket.once('close', () => fail('it closed the connection'))
  })
}
