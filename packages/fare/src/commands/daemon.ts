import { createServer } from 'node:http'
import { dirname } from 'node:path'
import type { PaymentBackend } from '@turnpike/l402/lightning'
import { sqlitePurse } from '@turnpike/l402/purse/sqlite'
import { rateKeeper } from '../books/rate-keeper.ts'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import { toldToEnd } from '../cli/signals.ts'
import type { Streams } from '../cli/streams.ts'
import { UsageError } from '../cli/usage-error.ts'
import { type FareConfig, readConfig } from '../config-file.ts'
import { listenOnLoopback, listenOnSocket } from '../daemon/listen.ts'
import { type DaemonParts, serveGrant } from '../daemon/serve-grant.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openGrantBook } from '../grants/grant-book.ts'
import { addressGuard } from '../net/ssrf-guard.ts'
import { configFile, grantsFile, purseFile, socketFile } from '../paths.ts'
import { plainFetch } from '../plain-fetch.ts'
import { type Policy, policyOf } from '../policy/policy.ts'
import { paymentTimeout } from '../session.ts'
import { chooseWallet } from '../wallet.ts'

/** How long what is under way may take once the daemon is told to end; open payments are looked up next time. */
const DRAIN_MS = 10_000

/** `fare daemon`: fetches and pays for whoever holds a grant of `fare grant create`, until it is told to end. */
export async function daemon(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.daemon)
  if (positionals.length > 0) throw new UsageError(`fare daemon takes no argument, got "${positionals[0]}"`)
  const wallet = chooseWallet({ sandbox: values.sandbox ?? false, name: values.wallet }, env)
  const paymentTimeoutMs = paymentTimeout(env)
  const config = readConfig(configFile(env))
  const allowAddresses = values['allow-network'] ?? []
  try {
    addressGuard({ allow: allowAddresses })
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`--allow-network: ${error.message}`)
    throw error
  }
  const policy = policyFor(config, env)
  const purse = sqlitePurse({ file: purseFile(env) })
  const book = openGrantBook(grantsFile(env))
  const direct = plainFetch({ insecure: false, env })
  const publicOnly = plainFetch({ insecure: false, publicOnly: true, allowAddresses })
  const opened = oneWallet(wallet.open)
  const keeper = config.rates && rateKeeper(config.rates, { purse, env })
  let host: string | undefined
  const parts: DaemonParts = {
    purse,
    book,
    wallet: opened.wallet,
    walletName: wallet.name,
    networks: wallet.networks,
    paymentTimeoutMs,
    fetches: { direct: direct.fetch, publicOnly: publicOnly.fetch },
    attenuate: config.attenuate,
    policy,
    ...(keeper && { onEvent: keeper.onEvent }),
    host: () => host,
  }
  const running = new Set<Promise<void>>()
  const server = createServer((request, response) => {
    const one = serveGrant(parts, request, response).finally(() => running.delete(one))
    running.add(one)
  })
  try {
    if (values.listen === undefined) await listenOnSocket(server, socketFile(env), purse)
    else host = await listenOnLoopback(server, values.listen)
    const address = host === undefined ? `unix:${socketFile(env)}` : `http://${host}`
    await streams.out(
      values.json
        ? toJson({ ok: true, exitCode: EXIT.fetched, daemon: address, wallet: wallet.name })
        : `The purse daemon listens at ${address} and pays with wallet "${wallet.name}".\n`,
    )
    await toldToEnd()
    server.close()
    await Promise.race([
      Promise.allSettled(running),
      new Promise((done) => setTimeout(done, DRAIN_MS).unref()),
    ])
    server.closeAllConnections()
    return EXIT.fetched
  } finally {
    await Promise.all([direct.close(), publicOnly.close()])
    await opened.close()
    await keeper?.close()
    book.close()
    await purse.close()
  }
}

/** The user's policy. Never the terminal's approval: a daemon has nobody at it, and so what needs one is refused. */
function policyFor(config: FareConfig, env: NodeJS.ProcessEnv): Policy {
  const { approve, ...rest } = policyOf(config, {
    configFile: configFile(env),
    folder: dirname(purseFile(env)),
  })
  return approve && config.approval.by !== 'terminal' ? { ...rest, approve } : rest
}

/** One wallet for all requests, opened at the first payment; a failed opening is tried again at the next. */
function oneWallet(open: () => Promise<PaymentBackend>): {
  readonly wallet: () => Promise<PaymentBackend>
  close(): Promise<void>
} {
  let opening: Promise<PaymentBackend> | undefined
  return {
    wallet() {
      opening ??= open().catch((error: unknown) => {
        opening = undefined
        throw error
      })
      return opening
    },
    async close() {
      const wallet = await opening?.catch(() => undefined)
      await wallet?.close()
    },
  }
}
