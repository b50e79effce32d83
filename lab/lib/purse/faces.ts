/** Two of the faces that every attack is run at: `payingFetch` in this process, and the real `fare get`. */

import { inspect } from 'node:util'
import { isL402Error } from '@turnpike/l402'
import {
  type FetchOutcome,
  outcomeOf,
  type PurchaseEvent,
  type PurseStore,
  payingFetch,
} from '@turnpike/l402/client'
import { memoryPurse } from '@turnpike/l402/purse/memory'
import { Agent, fetch as undiciFetch } from 'undici'
import { type Ending, EXIT_OF } from '../../../packages/fare/src/exit-codes.ts'
import { newBuyer } from '../../../packages/fare/test/support/fare.ts'
import type { Attack } from './attack.ts'
import type { Scene } from './scene.ts'

/** How the calls of an attack ended, and what the purse says about it. */
export interface Endured {
  readonly ends: readonly string[]
  /** What the purse counts as spent or held. */
  readonly bookedMsat: bigint
}

/** Where an attack is run that names no URL. */
export const DEFAULT_URL = (scene: Scene): string => `${scene.main}/x`

/** Every name leads to this machine, and every certificate will do: the worst case. */
const dispatcher = new Agent({
  pipelining: 0,
  connect: {
    rejectUnauthorized: false,
    lookup: (_, options, callback) => {
      const address = '127.0.0.1'
      if (options.all) (callback as unknown as (e: null, a: object[]) => void)(null, [{ address, family: 4 }])
      else (callback as (e: null, a: string, f: number) => void)(null, address, 4)
    },
  },
})
const namesIgnored = ((url: string, init: object) =>
  undiciFetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch

/** Runs the attack against `payingFetch`. */
export async function endureFetch(attack: Attack, scene: Scene): Promise<Endured> {
  const purse = memoryPurse()
  const events: PurchaseEvent[] = []
  const faults: string[] = []
  const fetch = payingFetch({
    wallet: scene.wallet,
    purse,
    fetch: namesIgnored,
    onEvent: (event) => events.push(event),
    ...attack.options,
  })
  const call = async (): Promise<string> => {
    const url = (attack.url ?? DEFAULT_URL)(scene)
    const signal = AbortSignal.timeout(attack.abortAfterMs ?? 20_000)
    const body = attack.init?.duplex ? { body: endlessBody() } : {}
    try {
      const response = await fetch(url, { ...attack.init, ...body, signal })
      const outcome = outcomeOf(response)
      if (response.status !== 402) await response.arrayBuffer().catch(() => {})
      await response.body?.cancel().catch(() => {})
      return outcome ? endOf(outcome) : 'threw'
    } catch (error) {
      faults.push(inspect(error, { depth: 8 }))
      if (isL402Error(error) && error.details) {
        const { kind, reason } = error.details as { kind?: string; reason?: string | null }
        if (kind !== undefined) return reason ? `${kind} ${reason}` : kind
      }
      return 'threw'
    }
  }
  const ends = await callAll(attack, call)
  await attack.check?.(scene, purse)
  const told = inspect(events, { depth: 8, maxArrayLength: null }) + faults.join('\n')
  if (scene.secrets().some((secret) => told.includes(secret)))
    throw new Error('an event or an error held a macaroon or a preimage')
  const { totalMsat } = await purse.spent()
  await purse.close()
  return { ends, bookedMsat: totalMsat }
}

/** Runs the attack against `fare get --json`. */
export async function endureFare(attack: Attack, scene: Scene): Promise<Endured> {
  const buyer = newBuyer(scene.wallet.url)
  const call = async (): Promise<string> => {
    const url = (attack.url ?? DEFAULT_URL)(scene)
    const ran = await buyer.run(['--sandbox', 'get', '--json', ...(attack.flags ?? []), url])
    if (/[^\P{Cc}\n]|[\u202a-\u202e]/u.test(ran.out + ran.err))
      throw new Error('what a terminal would obey was written')
    // Rule C10. What a server that was paid says of itself is handed on as it is; nothing else may hold these.
    const { body, headers, ...told } = JSON.parse(ran.out) as Told & { body?: unknown; headers?: unknown }
    const all = JSON.stringify(told) + ran.err
    if (scene.secrets().some((secret) => all.includes(secret)))
      throw new Error('a macaroon or a preimage was written')
    const code = told.error?.code ?? 'served'
    if (ran.code !== EXIT_OF[code as Ending]) throw new Error(`exit ${ran.code} for ${code}`)
    return endOfReport({ outcome: 'failed', ...told, reason: told.error?.reason ?? null })
  }
  const ends = await callAll(attack, call)
  return await buyer.inPurse(async (purse: PurseStore) => {
    await attack.check?.(scene, purse)
    return { ends, bookedMsat: (await purse.spent()).totalMsat }
  })
}

/** What `fare get --json` says, as far as it is looked at here. */
interface Told {
  readonly outcome?: string
  readonly status?: number | null
  readonly error: { readonly code: string; readonly reason: string | null } | null
}

/** How a call ended, from the fields that `--json` and the tool `fetch` share. */
export function endOfReport({
  outcome,
  reason = null,
  status = null,
}: {
  readonly outcome: string
  readonly reason?: string | null
  readonly status?: number | null
}): string {
  if (outcome === 'failed') return 'threw'
  if (reason) return `${outcome} ${reason}`
  return outcome === 'served' || (outcome === 'not_served' && status) ? `${outcome} ${status}` : outcome
}

/** Makes the calls of an attack, and says how each ended. */
export async function callAll(attack: Attack, call: () => Promise<string>): Promise<string[]> {
  if (attack.atOnce) return await Promise.all(attack.ends.map(call))
  const ends: string[] = []
  for (const _ of attack.ends) ends.push(await call())
  return ends
}

function endOf(outcome: FetchOutcome): string {
  const { kind } = outcome
  if ('reason' in outcome && outcome.reason) return `${kind} ${outcome.reason}`
  return 'response' in outcome && outcome.response ? `${kind} ${outcome.response.status}` : kind
}

function endlessBody(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('once'))
      controller.close()
    },
  })
}

/** Ends the connections of all attacks. */
export async function closeFaces(): Promise<void> {
  await dispatcher.destroy()
}
