/** A self-signed certificate for development: X.509 v3 (RFC 5280) in DER, as `node:crypto` reads certificates and makes none. */

import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'

/** PEM texts. */
export interface SelfSigned {
  readonly cert: string
  readonly key: string
}

const DAY_MS = 86_400_000
// 1.2.840.10045.4.3.2, ecdsa-with-SHA256.
const ALGORITHM = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex'))

/** A certificate on a new P-256 key for these DNS names and IPv4 or IPv6 addresses, valid for `days` from now. */
export function selfSigned(names: readonly string[], days: number, now: number = Date.now()): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = der(
    0x30,
    der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from(names[0] ?? 'localhost')))),
  )
  // A positive number whose first byte is never left out.
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const extensions = [
    // subjectAltName; basicConstraints CA:TRUE, so that it can be put among trusted ones; extendedKeyUsage serverAuth, clientAuth.
    extension('551d11', der(0x30, ...names.map(generalName))),
    extension('551d13', der(0x30, Buffer.from('0101ff', 'hex')), true),
    extension('551d25', der(0x30, Buffer.from('06082b0601050507030106082b06010505070302', 'hex'))),
  ]
  const body = der(
    0x30,
    der(0xa0, Buffer.from('020102', 'hex')),
    der(0x02, serial),
    ALGORITHM,
    name,
    der(0x30, time(now - DAY_MS), time(now + days * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, ...extensions)),
  )
  const signature = sign('sha256', body, privateKey)
  const certificate = der(0x30, body, ALGORITHM, der(0x03, Buffer.of(0), signature))
  const lines = certificate.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}

function extension(oid: string, value: Buffer, critical = false): Buffer {
  const id = der(0x06, Buffer.from(oid, 'hex'))
  return der(0x30, id, ...(critical ? [Buffer.from('0101ff', 'hex')] : []), der(0x04, value))
}

function generalName(name: string): Buffer {
  if (isIP(name) === 0) return der(0x82, Buffer.from(name))
  if (isIP(name) === 4) return der(0x87, Buffer.from(name.split('.').map(Number)))
  const [before = '', after = ''] = name.split('::')
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
  const [head, tail] = [groups(before), groups(after)]
  const all = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
  return der(0x87, Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff])))
}

/** UTCTime, which reaches to 2049. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)
  return der(0x17, Buffer.from(`${digits}Z`))
}
