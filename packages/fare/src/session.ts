import type { PurseStore } from '@turnpike/l402/client'
import { type Budget, type Buyer, type BuyerOptions, buyer } from '@turnpike/l402/client'
import { sqlitePurse } from '@turnpike/l402/purse/sqlite'
import { Agent, fetch as undiciFetch } from 'undici'
import { purseFile } from './paths.ts'
import { chooseWallet } from './wallet.ts'

/** An open purse. */
export interface Session {
  readonly purse: PurseStore
  readonly budget: Budget
  close(): Promise<void>
}

/** Opens the user's purse, making it if there is none. Throws `store_unavailable` or `store_incompatible`. */
export async function openSession(env: NodeJS.ProcessEnv): Promise<Session> {
  const purse = sqlitePurse({ file: purseFile(env) })
  return { purse, budget: await purse.budget(), close: () => purse.close() }
}

/** What a run of `get` or `quote` adds to the session. */
export interface RunOptions {
  readonly sandbox: boolean
  readonly wallet: string | undefined
  readonly insecure: boolean
  readonly maxMsat?: bigint | undefined
  readonly noPay?: boolean
  readonly maxRedirects?: number | undefined
  readonly onEvent?: BuyerOptions['onEvent']
}

/**
 * The buyer of one run.
 *
 * @throws UsageError for a wallet that is not set up.
 */
export function openBuyer(session: Session, run: RunOptions, env: NodeJS.ProcessEnv): Buyer {
  const wallet = chooseWallet({ sandbox: run.sandbox, name: run.wallet }, env)
  return buyer({
    wallet: wallet.open,
    walletName: wallet.name,
    purse: session.purse,
    budget: session.budget,
    fetch: plainFetch(run.insecure),
    ...(run.maxMsat === undefined ? {} : { maxMsat: run.maxMsat }),
    ...(run.noPay ? { noPay: true } : {}),
    ...(run.maxRedirects === undefined ? {} : { maxRedirects: run.maxRedirects }),
    ...(run.onEvent === undefined ? {} : { onEvent: run.onEvent }),
  })
}

/**
 * `fetch` without undici's time-outs on the answer, which would cut long downloads; `--max-time` is the user's.
 * `insecure` is `-k`: certificates are not checked.
 */
function plainFetch(insecure: boolean): typeof globalThis.fetch {
  const dispatcher = new Agent({
    headersTimeout: 0,
    bodyTimeout: 0,
    ...(insecure ? { connect: { rejectUnauthorized: false } } : {}),
  })
  return ((input: never, init: object) => undiciFetch(input, { ...init, dispatcher })) as never
}
