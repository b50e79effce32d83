/** Core Lightning's own REST plugin: every method of the node, behind a rune. */

import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import { networkNamed } from '../lib/networks.ts'
import { answerOf, errorText, failCall, type Rest, type RestAnswer, restClient } from '../lib/rest.ts'
import { type JsonObject, objectOf, textOf } from '../lib/values.ts'

/** How to reach a Core Lightning node. */
export interface ClnOptions {
  /** Its clnrest address, e.g. `https://127.0.0.1:3010`. */
  readonly url: string
  /** A rune that allows the methods needed, and no others. A secret. */
  readonly rune: string
  /** The network it must be on. */
  readonly network?: Network
  readonly fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** The node, and the methods that its rune has to allow. */
export interface Cln extends Rest {
  readonly methods: readonly string[]
}

/** @throws TypeError for a rune that is none. */
export function clnClient({ url, rune, fetch }: ClnOptions, methods: readonly string[]): Cln {
  if (!/^[\w=-]{40,}$/.test(rune))
    throw new TypeError('cln: rune: expected what lightning-cli createrune has made')
  return { ...restClient({ name: 'Core Lightning', url, headers: { rune }, fetch }), methods }
}

/** Calls a method. Throws `lightning_unavailable` naming the method that the rune does not allow. */
export async function callCln(
  rest: Cln,
  method: string,
  json: JsonObject,
  { signal, timeoutMs }: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number } = {},
): Promise<JsonObject> {
  const call = { method: 'POST', json, signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) } as const
  const answer = answerOf(rest, await rest.call(`v1/${method}`, call))
  checkRune(rest, method, answer)
  if (answer.status !== 200 && answer.status !== 201) failCall(rest, answer)
  if (answer.body === undefined) failCall(rest, answer)
  return objectOf(answer.body)
}

/** Whether the node says that the rune does not allow a method, or is no good at all. */
export function isRuneDenied({ status, body }: RestAnswer): boolean {
  const { code } = objectOf(body)
  return status === 401 || status === 403 || code === 1501 || code === 1502
}

/** Throws where the rune does not allow a method. */
export function checkRune(rest: Cln, method: string, answer: RestAnswer): void {
  if (!isRuneDenied(answer)) return
  const why = textOf(errorText(answer.body), 'not allowed')
  const any = rest.methods.map((one) => `"method=${one}"`).join(',')
  throw new L402Error(
    'lightning_unavailable',
    `${rest.who} refused the rune for ${method}: ${why}; make one with: lightning-cli createrune restrictions='[[${any}]]'`,
  )
}

/** Calls methods in a way that does nothing: the rune comes first. Throws where it does not allow one. */
export async function checkMethods(rest: Cln, calls: Readonly<Record<string, JsonObject>>): Promise<void> {
  for (const [method, json] of Object.entries(calls))
    checkRune(rest, method, answerOf(rest, await rest.call(`v1/${method}`, { method: 'POST', json })))
}

/** The node's network. */
export async function clnNetwork(rest: Cln): Promise<Network> {
  return networkNamed(rest.who, (await callCln(rest, 'getinfo', {}))['network'])
}
