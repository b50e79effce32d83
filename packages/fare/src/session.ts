import { dirname } from 'node:path'
import { L402Error } from '@turnpike/l402'
import {
  type Approve,
  type Buyer,
  type BuyerOptions,
  buyer,
  type PurchaseEvent,
  type PurseStore,
} from '@turnpike/l402/client'
import { sqlitePurse } from '@turnpike/l402/purse/sqlite'
import { rateKeeper } from './books/rate-keeper.ts'
import { UsageError } from './cli/usage-error.ts'
import { readConfig } from './config-file.ts'
import { usersPurse } from './grants/users-purse.ts'
import { configFile, grantsFile, purseFile } from './paths.ts'
import { type FetchSettings, plainFetch } from './plain-fetch.ts'
import { taskTag } from './policy/change-budget.ts'
import { policyOf } from './policy/policy.ts'
import { parseTimeout } from './timeout.ts'
import { chooseWallet } from './wallet.ts'

/** An open purse, and what was opened with it. */
export interface Session {
  readonly purse: PurseStore
  /**
   * The buyer of one run.
   *
   * @throws UsageError for a wallet that is not set up, or a setting in the environment that cannot be read.
   */
  buyer(run: RunOptions): Buyer
  close(): Promise<void>
}

/** What a run of `get` or `quote` adds to the session. */
interface RunOptions {
  readonly sandbox: boolean
  readonly wallet: string | undefined
  readonly http?: Omit<FetchSettings, 'env'>
  readonly maxMsat?: bigint | undefined
  readonly noPay?: boolean
  readonly payAgain?: boolean
  readonly maxRedirects?: number | undefined
  /** The tag that payments are kept under. */
  readonly task?: string | undefined
  /** Who approves, instead of whom the configuration names; `null` for nobody. */
  readonly approve?: Approve | null
  readonly onEvent?: BuyerOptions['onEvent']
  /** Sends the requests in place of `fare`'s own; whoever gives it closes it. */
  readonly fetch?: typeof globalThis.fetch
}

/** Opens the user's purse, making it if there is none. Throws `store_unavailable` or `store_incompatible`. */
export function openSession(env: NodeJS.ProcessEnv): Session {
  const purse = usersPurse(sqlitePurse({ file: purseFile(env) }), grantsFile(env))
  const closers: (() => Promise<void>)[] = [() => purse.close()]
  return {
    purse,
    buyer(run) {
      const wallet = chooseWallet({ sandbox: run.sandbox, name: run.wallet }, env)
      const paymentTimeoutMs = paymentTimeout(env)
      const own = run.fetch === undefined ? plainFetch({ insecure: false, ...run.http, env }) : undefined
      if (own) closers.unshift(own.close)
      const fetch = run.fetch ?? own?.fetch ?? globalThis.fetch
      const places = { configFile: configFile(env), folder: dirname(purseFile(env)) }
      const config = readConfig(places.configFile)
      const { approve: configured, ...policy } = policyOf(config, places)
      const keeper = config.rates && rateKeeper(config.rates, { purse, env })
      if (keeper) closers.unshift(keeper.close)
      const tell = (event: PurchaseEvent): void => {
        keeper?.onEvent(event)
        run.onEvent?.(event)
      }
      const approve = run.approve === undefined ? configured : (run.approve ?? undefined)
      return buyer({
        ...policy,
        ...(approve && { approve }),
        attenuate: config.attenuate,
        wallet: async () => {
          const opened = await wallet.open()
          // Its connections would keep this process from ending.
          closers.unshift(() => opened.close())
          return opened
        },
        walletName: wallet.name,
        purse,
        fetch,
        ...(wallet.networks === undefined ? {} : { networks: wallet.networks }),
        ...(paymentTimeoutMs === undefined ? {} : { paymentTimeoutMs }),
        ...(run.maxMsat === undefined ? {} : { maxMsat: run.maxMsat }),
        ...(run.noPay ? { noPay: true } : {}),
        ...(run.payAgain ? { secondPurchase: true } : {}),
        ...(run.maxRedirects === undefined ? {} : { maxRedirects: run.maxRedirects }),
        ...(run.task === undefined ? {} : { task: taskTag(run.task) }),
        ...(run.onEvent === undefined && keeper === undefined ? {} : { onEvent: tell }),
      })
    },
    async close() {
      for (const close of closers) await close()
    },
  }
}

/** `FARE_PAYMENT_TIMEOUT` in milliseconds. Throws {@link UsageError}. */
export function paymentTimeout(env: NodeJS.ProcessEnv): number | undefined {
  const text = env['FARE_PAYMENT_TIMEOUT']
  if (!text) return undefined
  try {
    return parseTimeout(text)
  } catch (error) {
    if (error instanceof L402Error) throw new UsageError(`FARE_PAYMENT_TIMEOUT: ${error.message}`)
    throw error
  }
}
