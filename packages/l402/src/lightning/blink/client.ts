/** Blink's GraphQL API. */

import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import { expectOk } from '../lib/denied.ts'
import { expectNetwork, networkNamed } from '../lib/networks.ts'
import { answerOf, failCall, type Rest, type RestOutcome, restClient } from '../lib/rest.ts'
import { type JsonObject, listOf, objectOf, textOf } from '../lib/values.ts'

/** Which wallet. */
export interface BlinkOptions {
  /** An API key. A secret. */
  readonly key: string
  /** Default `https://api.blink.sv/graphql`. */
  readonly url?: string
  /** The id of the wallet; left out: the account's bitcoin wallet. */
  readonly walletId?: string
  /** The network it must be on. */
  readonly network?: Network
  readonly fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** What a key must be allowed. */
export interface BlinkKey {
  readonly what: string
  readonly hint: string
}

/** An open wallet. */
export interface BlinkWallet {
  readonly rest: Rest
  readonly network: Network
  readonly walletId: string
  /** What a query or mutation has answered. Throws `lightning_unavailable` or `lightning_invalid`. */
  ask(query: string, variables: JsonObject, signal?: AbortSignal): Promise<JsonObject>
  /** The same without judgement, for payments. */
  post(query: string, variables: JsonObject, timeoutMs?: number): Promise<RestOutcome>
  /** In satoshis. */
  balanceSat(): Promise<unknown>
}

const URL_OF_BLINK = 'https://api.blink.sv/graphql'

const ACCOUNT = `query Account {
  globals { network }
  me { defaultAccount { wallets { id walletCurrency balance } } }
}`

/** Finds the network and the wallet. Throws `TypeError`, `lightning_unavailable` or `lightning_invalid`. */
export async function openBlink(options: BlinkOptions, key: BlinkKey): Promise<BlinkWallet> {
  const { url = URL_OF_BLINK, fetch } = options
  if (!/^[\x21-\x7e]{8,256}$/.test(options.key)) throw new TypeError('blink: key: expected an API key')
  const end = new URL(url)
  const path = end.pathname.slice(1)
  const rest = restClient({ name: 'Blink', url: end.origin, headers: { 'x-api-key': options.key }, fetch })
  const post = (query: string, variables: JsonObject, timeoutMs?: number, signal?: AbortSignal) =>
    rest.call(path, {
      method: 'POST',
      json: { query, variables },
      signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    })
  const ask = async (query: string, variables: JsonObject, signal?: AbortSignal): Promise<JsonObject> => {
    const answer = answerOf(rest, await post(query, variables, undefined, signal))
    const body = objectOf(answer.body)
    const why = firstError(body)
    if (why !== undefined && isDenial(why, answer.status)) expectOk(rest, { ...answer, status: 401 }, key)
    if (why !== undefined) throw new L402Error('lightning_unavailable', `${rest.who}: ${why}`)
    const { data } = objectOf(expectOk(rest, answer, key).body)
    return typeof data === 'object' && data !== null ? objectOf(data) : failCall(rest, answer)
  }
  const account = async (): Promise<{ data: JsonObject; wallet: JsonObject }> => {
    const data = await ask(ACCOUNT, {})
    const { wallets } = objectOf(objectOf(data['me'])['defaultAccount'])
    const wallet = listOf(wallets)
      .map(objectOf)
      .find(({ id, walletCurrency }) =>
        options.walletId === undefined ? walletCurrency === 'BTC' : id === options.walletId,
      )
    if (wallet === undefined || wallet['walletCurrency'] !== 'BTC')
      throw new L402Error('lightning_invalid', `${rest.who}: the account has no such bitcoin wallet`)
    return { data, wallet }
  }
  const { data, wallet } = await account()
  const found = networkNamed(rest.who, objectOf(data['globals'])['network'])
  return {
    rest,
    network: expectNetwork(rest.who, found, options.network),
    walletId: String(wallet['id']),
    ask,
    post,
    balanceSat: async () => (await account()).wallet['balance'],
  }
}

/** The first error of an answer, or of what it carries. */
export function firstError(body: JsonObject): string | undefined {
  const [first] = listOf(body['errors'])
  return first === undefined ? undefined : textOf(objectOf(first)['message'], 'an error without a message')
}

function isDenial(why: string, status: number): boolean {
  return status === 401 || status === 403 || /not authori[sz]ed|unauthori[sz]ed|authenticat/i.test(why)
}
