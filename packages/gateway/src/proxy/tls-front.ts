import type { Socket } from 'node:net'
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls'

/** What a listener shows and asks for over TLS. PEM texts. */
export interface TlsMaterial {
  /** The certificate, and those that lead from it to one that clients know. */
  readonly cert: Buffer | string
  readonly key: Buffer | string
  /** Who may have signed client certificates. */
  readonly clientCa?: Buffer | string
  /** `require`: only clients with a certificate get in. `request`: those without one too, those with a wrong one not. */
  readonly clientAuth?: 'require' | 'request'
  /** @default '1.2' */
  readonly minVersion?: '1.2' | '1.3'
}

/** The TLS side of a listener. */
export interface TlsFront {
  accept(socket: Socket): void
  /** For connections from now on. Throws, and changes nothing, for a pair that does not fit together. */
  renew(material: TlsMaterial): void
}

/** Takes connections over whose clients speak TLS, and hands them on with what ALPN (RFC 7301) settled on. */
export function createTlsFront(
  material: TlsMaterial,
  timeoutMs: number,
  decided: (socket: TLSSocket, speaksH2: boolean) => void,
): TlsFront {
  const server: Server = createServer({
    ...contextOf(material),
    ALPNProtocols: ['h2', 'http/1.1'],
    requestCert: material.clientAuth !== undefined,
    rejectUnauthorized: material.clientAuth === 'require',
    handshakeTimeout: timeoutMs,
  })
  server.on('tlsClientError', (_, socket) => socket.destroy())
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {})
    if (
      material.clientAuth === 'request' &&
      !socket.authorized &&
      socket.getPeerX509Certificate() !== undefined
    )
      socket.destroy()
    else decided(socket, socket.alpnProtocol === 'h2')
  })
  return {
    accept: (socket) => void server.emit('connection', socket),
    renew: (next) => server.setSecureContext(contextOf(next)),
  }
}

function contextOf({ cert, key, clientCa, minVersion = '1.2' }: TlsMaterial): SecureContextOptions {
  return { cert, key, minVersion: `TLSv${minVersion}`, ...(clientCa === undefined ? {} : { ca: clientCa }) }
}
