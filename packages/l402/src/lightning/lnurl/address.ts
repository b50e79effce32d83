/** Where an LNURL or a Lightning address leads (LUD-01, LUD-16, LUD-17). */

import { bech32 } from '@scure/base'
import { decodeUtf8 } from '../../core/bytes.ts'

const FORMS = 'a Lightning address (user@example.com), an LNURL (lnurl1…) or a URL (https://…)'
const LONGEST = 2048

/**
 * The URL of the pay request. Throws `TypeError` for what is none, and for a URL that is neither https nor on loopback
 * or Tor.
 */
export function payRequestUrl(address: string): URL {
  const text = address.trim().replace(/^lightning:/i, '')
  const url = text.length > LONGEST ? undefined : (fromAddress(text) ?? fromBech32(text) ?? fromUrl(text))
  if (url === undefined) throw new TypeError(`lnurl: address: expected ${FORMS}`)
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    throw new TypeError('lnurl: address: a URL with a user, a password or a fragment')
  if (!isSecure(url))
    throw new TypeError('lnurl: address: expected https; http only for .onion and for this machine')
  return url
}

/** Whether a URL may be spoken to: https, or http where nobody is in between. */
export function isSecure({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && isOwnOrOnion(hostname))
}

function isOwnOrOnion(host: string): boolean {
  return host.endsWith('.onion') || host === 'localhost' || host === '[::1]' || /^127(\.\d+){3}$/.test(host)
}

function fromAddress(text: string): URL | undefined {
  const found = /^([a-z0-9._+-]+)@([a-z0-9.-]+(?::\d+)?)$/i.exec(text)
  const [, user = '', host = ''] = found ?? []
  if (found === null || !URL.canParse(`https://${host}`)) return undefined
  return schemeFor(`${host}/.well-known/lnurlp/${user.toLowerCase()}`)
}

function fromBech32(text: string): URL | undefined {
  if (!/^lnurl1/i.test(text)) return undefined
  try {
    const { prefix, bytes } = bech32.decodeToBytes(text)
    const url = decodeUtf8(bytes)
    return prefix === 'lnurl' && url !== undefined && URL.canParse(url) ? new URL(url) : undefined
  } catch {
    return undefined
  }
}

function fromUrl(text: string): URL | undefined {
  const rest = /^lnurlp:\/\/(.+)$/i.exec(text)?.[1]
  if (rest !== undefined) return URL.canParse(`https://${rest}`) ? schemeFor(rest) : undefined
  return /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined
}

/** Plain http where the host says that it is right, https everywhere else. */
function schemeFor(rest: string): URL {
  const url = new URL(`https://${rest}`)
  return isOwnOrOnion(url.hostname) ? new URL(`http://${rest}`) : url
}
