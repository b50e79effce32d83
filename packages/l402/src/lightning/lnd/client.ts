/** The way to an lnd node: its REST listener, pinned to its certificate, with a macaroon. */

import { decodeHex, encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import { errorText, failCall, type Rest, type RestAnswer, type RestOutcome, restClient } from '../lib/rest.ts'
import { objectOf } from '../lib/values.ts'

/** How to reach an lnd node. */
export interface LndOptions {
  /** Its REST listener, e.g. `https://127.0.0.1:8080`. */
  readonly url: string
  /** The macaroon as a file, as lnd writes it; this or {@link macaroon}. */
  readonly macaroonFile?: string
  /** The macaroon in hex. */
  readonly macaroon?: string
  /** The node's `tls.cert` as a file. Left out (with {@link tlsCert}): an authority must have signed it. */
  readonly tlsCertFile?: string
  /** The same as PEM text. */
  readonly tlsCert?: string
  /** `socks5h://127.0.0.1:9050`: through Tor or another SOCKS 5 proxy. */
  readonly proxy?: string
  /** The network the node must be on; left out: whatever it is on. */
  readonly network?: Network
  /** Another way to send requests; then certificate and proxy are its own. */
  readonly fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const LISTENER = 'expected the address of its REST listener (restlisten), by default on port 8080'

/** Throws `lightning_unavailable` for a file that cannot be read, `TypeError` for settings that cannot be meant. */
export async function lndClient(options: LndOptions): Promise<Rest> {
  const macaroon = await macaroonOf(options)
  return restClient({
    name: 'lnd',
    url: options.url,
    headers: { 'grpc-metadata-macaroon': macaroon },
    fetch: options.fetch ?? (await fetchFor(options)),
  })
}

async function macaroonOf({ macaroon, macaroonFile }: LndOptions): Promise<string> {
  if ((macaroon === undefined) === (macaroonFile === undefined))
    throw new TypeError('lnd: expected a macaroonFile or a macaroon, and not both')
  if (macaroonFile !== undefined) {
    const { readSecretFile } = await import('../lib/files.ts')
    return fileHex(await readSecretFile('macaroonFile', macaroonFile))
  }
  // The text is a secret: the message does not repeat it.
  if (macaroon === undefined || decodeHex(macaroon) === undefined || macaroon === '')
    throw new TypeError('lnd: macaroon: expected hex digits')
  return macaroon
}

/** The bytes as lnd writes them, or somebody's hex of them. */
function fileHex(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes).trim()
  const found = isMacaroon(bytes) ? bytes : decodeHex(text)
  if (found !== undefined && isMacaroon(found)) return encodeHex(found)
  const expected = 'expected a file that lnd or "lncli bakemacaroon --save_to" has written'
  throw new TypeError(`lnd: macaroonFile: not a macaroon, ${expected}`)
}

/** Of either version of the format: a version byte, or a packet that begins with its length in hex. */
function isMacaroon(bytes: Uint8Array): boolean {
  return (
    bytes[0] === 2 || /^[0-9a-f]{4}location /.test(new TextDecoder('latin1').decode(bytes.subarray(0, 13)))
  )
}

async function fetchFor(options: LndOptions): Promise<typeof globalThis.fetch | undefined> {
  const { tlsCertFile, proxy } = options
  if (tlsCertFile === undefined && options.tlsCert === undefined && proxy === undefined) return undefined
  const { nodeFetch } = await import('../lib/node-fetch.ts')
  const { readTextFile } = await import('../lib/files.ts')
  const tlsCert = tlsCertFile === undefined ? options.tlsCert : await readTextFile('tlsCertFile', tlsCertFile)
  return nodeFetch({ tlsCert, proxy })
}

const DENIED =
  /permission denied|cannot retrieve macaroon|verification failed|unmarshal v[12]|data format of|expected 1 macaroon/

/** Whether lnd says that the macaroon is not enough, or no good at all. */
export function isDenied({ status, body }: RestAnswer): boolean {
  if (status < 400) return false
  return DENIED.test(errorText(body))
}

/** What a macaroon is to allow: what a call that it was refused for takes, and how one is baked that would do. */
export interface Needs {
  readonly lacks: string
  readonly bake: string
}

/** For a call that the macaroon does not allow. */
export function denied(rest: Rest, answer: RestAnswer, needs: Needs): L402Error {
  const plain = errorText(answer.body) === 'permission denied'
  const why = plain ? `it lacks ${needs.lacks}` : 'it is damaged or of another node'
  return new L402Error(
    'lightning_unavailable',
    `${rest.who} refused the macaroon: ${why}; bake one with: lncli bakemacaroon ${needs.bake}`,
  )
}

/** Sends a payment that names nobody: lnd looks at the macaroon first. */
export async function tryToPay(rest: Rest): Promise<RestOutcome> {
  return await rest.call('v2/router/send', { method: 'POST', json: {} })
}

/** The network that `getinfo` names, or `undefined` where the macaroon does not allow to ask. It is the first call to a node. */
export async function networkByInfo(rest: Rest, needs: Needs): Promise<Network | undefined> {
  const outcome = await rest.call('v1/getinfo')
  if (outcome.kind !== 'answered') {
    // Its gRPC and its peer port hang up on HTTP.
    const hint = outcome.kind === 'lost' ? `; ${LISTENER}` : ''
    throw new L402Error('lightning_unavailable', `${rest.who}: ${outcome.detail}${hint}`)
  }
  if (outcome.status !== 200) {
    if (isDenied(outcome)) {
      if (errorText(outcome.body) === 'permission denied') return undefined
      throw denied(rest, outcome, needs)
    }
    if (outcome.status === 404)
      throw new L402Error('lightning_unavailable', `${rest.who}: HTTP 404 at its path; ${LISTENER}`)
    failCall(rest, outcome)
  }
  const chains = objectOf(outcome.body)['chains']
  const network = Array.isArray(chains) ? objectOf(chains[0])['network'] : undefined
  const known: readonly Network[] = ['mainnet', 'testnet', 'signet', 'regtest', 'simnet']
  const found = known.find((name) => name === network || (name === 'testnet' && network === 'testnet4'))
  if (found === undefined)
    throw new L402Error('lightning_invalid', `${rest.who}: does not say which network it is on`)
  return found
}

export { expectNetwork } from '../lib/networks.ts'
