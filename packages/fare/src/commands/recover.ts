import { encodeHex, formatAmount } from '@turnpike/l402'
import type { PaymentRecord, Recovered } from '@turnpike/l402/client'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { columns, printable } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openSession, type Session } from '../session.ts'
import { giveUp, isMeant, namedPayment } from './write-off.ts'

/**
 * `fare recover`: looks every open payment up in its wallet and finishes what can be finished. Pays nothing. With `--write-off`
 * gives one up that is open still.
 */
export async function recover(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.recover)
  if (positionals.length > 0) throw new UsageError(`fare recover takes no argument, got "${positionals[0]}"`)
  const id = values['write-off']
  if (id === undefined && values.yes) throw new UsageError('--yes goes with --write-off')
  // The wallet that was asked to pay is heard first (rule C3), whatever another one says.
  if (id !== undefined && (values.wallet !== undefined || values.sandbox))
    throw new UsageError(
      '--write-off asks the wallet that paid, and takes neither --wallet nor --sandbox: fare recover with one of them looks there',
    )
  // A grant's holder may spend, and has no say in the owner's books.
  if (id !== undefined && env['FARE_GRANT_FILE'])
    throw new UsageError('--write-off is for the owner of the purse; it does not go with FARE_GRANT_FILE')
  const session = openSession(env)
  try {
    const named = id === undefined ? undefined : await namedPayment(session.purse, id)
    const looked = await recoverAll(session, values)
    const found =
      named === undefined ? looked : await endedOrGivenUp(session, { named, looked, yes: values.yes })
    if (found === 'kept') {
      if (values.json) await streams.out(toJson({ ok: false, exitCode: EXIT.refused, recovered: looked }))
      else streams.err('fare: not written off')
      return EXIT.refused
    }
    const open = found.some(({ state, writtenOff }) => state === 'unknown' && !writtenOff)
    const exitCode = open ? EXIT.paymentUnknown : EXIT.fetched
    if (values.json) await streams.out(toJson({ ok: !open, exitCode, recovered: found }))
    else if (found.length === 0) await streams.out('No payment is open.\n')
    else {
      const rows = found.map(({ paymentHash, amountMsat, state, origin, detail, writtenOff }) => [
        paymentHash.slice(0, 16),
        formatAmount(amountMsat),
        writtenOff ? 'written off' : state,
        origin,
        printable(detail),
      ])
      await streams.out(`${columns([['PAYMENT HASH', 'AMOUNT', 'STATE', 'ORIGIN', 'DETAIL'], ...rows])}\n`)
    }
    return exitCode
  } finally {
    await session.close()
  }
}

/** The truth about one payment, where there is one; else it is given up, as its owner says. */
async function endedOrGivenUp(
  { purse }: Session,
  {
    named,
    looked,
    yes = false,
  }: {
    readonly named: PaymentRecord
    readonly looked: readonly Recovered[]
    readonly yes?: boolean | undefined
  },
): Promise<readonly Recovered[] | 'kept'> {
  const hash = encodeHex(named.paymentHash)
  const own = looked.filter(({ paymentHash }) => paymentHash === hash)
  if (own.some(({ state, writtenOff }) => state !== 'unknown' || writtenOff)) return own
  return (await isMeant(named, yes)) ? [await giveUp(purse, named)] : 'kept'
}

/** Looking up spends nothing, so every wallet that was asked to pay is asked; they need not be named again. */
async function recoverAll(
  session: Session,
  { sandbox, wallet }: { readonly sandbox?: boolean | undefined; readonly wallet?: string | undefined },
): Promise<readonly Recovered[]> {
  if (wallet !== undefined || sandbox)
    return await session.buyer({ sandbox: sandbox ?? false, wallet }).recover()
  const { purse } = session
  const unproven = (await purse.payments(MOST_UNPROVEN)).filter(({ state }) => state === 'paid_unproven')
  const open = [...(await purse.openPayments()), ...unproven]
  const owners = new Map(open.map((one) => [encodeHex(one.paymentHash), one.wallet]))
  const found = new Map<string, Recovered>()
  for (const name of new Set(owners.values())) {
    const { recovered } = await recoverWith(session, name)
    for (const one of recovered) {
      // Another wallet's word counts only where it settles the matter.
      const own = owners.get(one.paymentHash) === name
      if (own || one.state === 'settled' || !found.has(one.paymentHash)) found.set(one.paymentHash, one)
    }
  }
  return [...found.values()]
}

async function recoverWith(
  session: Session,
  name: string,
): Promise<{ readonly recovered: readonly Recovered[] }> {
  const known = name === '' || name === 'none' ? undefined : name
  try {
    return { recovered: await session.buyer({ sandbox: false, wallet: known }).recover() }
  } catch (error) {
    // A wallet that has been removed meanwhile: what it paid stays open, and is told so.
    if (!(error instanceof UsageError)) throw error
    return { recovered: await session.buyer({ sandbox: true, wallet: undefined }).recover() }
  }
}

const MOST_UNPROVEN = 1_000_000
