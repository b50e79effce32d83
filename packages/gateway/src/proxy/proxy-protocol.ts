/** The PROXY protocol, versions 1 and 2: who a connection is for, said by a proxy before the first byte of its client. */

import { isIP, type Server, type Socket } from 'node:net'

/** What a header says. */
export interface ProxyHeader {
  /** The client's address; `undefined`: the proxy speaks for itself, or does not know. */
  readonly address: string | undefined
  /** How many bytes the header has. */
  readonly length: number
}

/** More bytes are needed, or these can be no header. */
export type NoProxyHeader = 'more' | 'malformed'

const V1_START = Buffer.from('PROXY ')
const V1_MOST = 107
const V2_START = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const V2_FIXED = 16
/** Addresses are at most 216 bytes; the rest is for what else a proxy says. */
const V2_MOST = V2_FIXED + 2_048
const PROXY = 0x21
const LOCAL = 0x20

/** Reads the header at the start of a connection. Linear in its length, which is bounded. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | NoProxyHeader {
  if (startsLike(bytes, V1_START)) return bytes.length < V1_START.length ? 'more' : parseV1(bytes)
  if (startsLike(bytes, V2_START)) return bytes.length < V2_FIXED ? 'more' : parseV2(bytes)
  return 'malformed'
}

/** Whether all that is there of the start is right. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const seen = bytes.subarray(0, start.length)
  return start.subarray(0, seen.length).equals(seen)
}

function parseV1(bytes: Buffer): ProxyHeader | NoProxyHeader {
  const head = bytes.subarray(0, V1_MOST)
  const end = head.indexOf('\r\n')
  if (end < 0) return bytes.length < V1_MOST ? 'more' : 'malformed'
  const line = head.toString('latin1', 0, end)
  const length = end + 2
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return { address: undefined, length }
  const parts = /^PROXY TCP([46]) (\S+) (\S+) ([0-9]{1,5}) ([0-9]{1,5})$/.exec(line)
  if (parts === null) return 'malformed'
  const [, family, source = '', destination = '', ...ports] = parts
  if (isIP(source) !== Number(family) || isIP(destination) !== Number(family)) return 'malformed'
  if (source.includes('%') || ports.some((port) => Number(port) > 65_535)) return 'malformed'
  return { address: source, length }
}

function parseV2(bytes: Buffer): ProxyHeader | NoProxyHeader {
  const command = bytes[12]
  const family = bytes[13] ?? 0
  const length = V2_FIXED + bytes.readUInt16BE(14)
  if ((command !== PROXY && command !== LOCAL) || length > V2_MOST) return 'malformed'
  if (bytes.length < length) return 'more'
  if (command === LOCAL) return { address: undefined, length }
  const rest = bytes.subarray(V2_FIXED, length)
  switch (family >> 4) {
    case 1:
      return rest.length < 12 ? 'malformed' : { address: rest.subarray(0, 4).join('.'), length }
    case 2:
      return rest.length < 36 ? 'malformed' : { address: v6Text(rest), length }
    case 0:
    case 3:
      return { address: undefined, length }
    default:
      return 'malformed'
  }
}

function v6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16))
  // An IPv4 address in an IPv6 one is the IPv4 one.
  return groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff'
    ? `::ffff:${bytes.subarray(12, 16).join('.')}`
    : new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

/** Who may send headers, and for how long they may take. */
export interface ProxyHeaderOptions {
  /** Whether an address is one of the operator's own proxies. */
  readonly trusted: (peer: string) => boolean
  /** @default 5000 */
  readonly timeoutMs?: number
}

const told = Symbol('told by a PROXY protocol header')
interface ToldSocket extends Socket {
  [told]?: string
  /** Of a TLS socket, the connection that it runs over. */
  _parent?: ToldSocket | null
}

/** The client's address as a proxy has said it for this connection; `undefined` where none has. */
export function proxiedAddress(socket: Socket): string | undefined {
  const { [told]: address, _parent: beneath } = socket as ToldSocket
  return address ?? beneath?.[told]
}

/**
 * Reads the header of a fresh connection and leaves what follows it unread; {@link proxiedAddress} then tells what it said.
 * Answers whether the connection may be served: one from elsewhere, with a malformed header, or with none in time is closed.
 */
function readProxyHeader(
  socket: Socket,
  { trusted, timeoutMs = 5_000 }: ProxyHeaderOptions,
): Promise<boolean> {
  return new Promise((resolve) => {
    let seen: Buffer = Buffer.alloc(0)
    const end = (served: boolean): void => {
      clearTimeout(timer)
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd)
      if (!served) socket.destroy()
      else socket.off('error', onEnd)
      resolve(served)
    }
    const onEnd = (): void => end(false)
    const onReadable = (): void => {
      const bytes: Buffer | null = socket.read()
      if (bytes === null) return
      seen = seen.length === 0 ? bytes : Buffer.concat([seen, bytes])
      const header = parseProxyHeader(seen)
      if (header === 'more') return
      if (header === 'malformed') {
        end(false)
        return
      }
      if (header.address !== undefined) (socket as ToldSocket)[told] = header.address
      const rest = seen.subarray(header.length)
      if (rest.length > 0) socket.unshift(rest)
      end(true)
    }
    const timer = setTimeout(onEnd, timeoutMs)
    socket.on('error', onEnd)
    if (!trusted(plain(socket.remoteAddress ?? ''))) {
      end(false)
      return
    }
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd)
  })
}

/** Makes a server read the header of each connection before it serves it. Call it before `listen`. */
export function expectProxyHeader(server: Server, options: ProxyHeaderOptions): void {
  const serve = server.listeners('connection')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    void readProxyHeader(socket, options).then((served) => {
      if (served) for (const listener of serve) listener.call(server, socket)
    })
  })
}

function plain(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
