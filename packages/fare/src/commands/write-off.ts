/** `fare recover --write-off ID`: a payment is given up that no wallet can tell anything about any more. */

import { encodeHex, formatAmount, L402Error } from '@turnpike/l402'
import { type PaymentRecord, type PurseStore, type Recovered, writeOff } from '@turnpike/l402/client'
import { atTerminal, hasTerminal, saysYes, type Terminal } from '../cli/terminal.ts'
import { columns, printable, timeText } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'

/** Digits of a payment hash that name a payment. */
const LEAST_DIGITS = 8
/** How long is waited for a run that pays or looks up in the same scope. */
const LOCK_MS = 30_000

/**
 * The open payment that the id, the beginning of its payment hash, names.
 *
 * @throws UsageError for an id that names none, or several.
 */
export async function namedPayment(purse: PurseStore, id: string): Promise<PaymentRecord> {
  if (!/^[0-9a-f]{8,64}$/.test(id))
    throw new UsageError(
      `--write-off: expected at least ${LEAST_DIGITS} digits of a payment hash, as fare payments and fare recover show it`,
    )
  const found = (await purse.openPayments()).filter(({ paymentHash }) =>
    encodeHex(paymentHash).startsWith(id),
  )
  const [payment] = found
  if (payment === undefined)
    throw new UsageError(`--write-off: no payment ${id} is open; fare recover shows those that are`)
  if (found.length > 1)
    throw new UsageError(`--write-off: several payments begin with ${id}: name more of it`)
  return payment
}

/** Whether the owner says so: at the terminal, where it was not typed already. Throws UsageError where nobody can be asked. */
export async function isMeant(payment: PaymentRecord, yes: boolean): Promise<boolean> {
  if (yes) return true
  if (!hasTerminal())
    throw new UsageError('--write-off: there is no terminal to ask at, and it is for good: --yes says so')
  return await atTerminal((terminal) => askAbout(terminal, payment))
}

/** Asks on a pair of streams. */
export async function askAbout(terminal: Terminal, payment: PaymentRecord): Promise<boolean> {
  const { paymentHash, amountMsat, maxFeeMsat, origin, wallet, createdAtMs } = payment
  const lines = columns([
    ['  payment', encodeHex(paymentHash)],
    ['  amount', `${formatAmount(amountMsat)}, and up to ${formatAmount(maxFeeMsat)} of fees`],
    ['  to', printable(origin)],
    ['  by wallet', printable(wallet)],
    ['  at', timeText(createdAtMs)],
  ])
  return await saysYes(
    terminal,
    `\nfare: give this payment up?\n${lines}\nIt counts as spent for good, and its invoice is never paid again. It may have been paid: what is bought there next is bought anew.\nType yes to write it off, anything else not to: `,
  )
}

/** Gives it up; answers how it stands. Throws UsageError where it has ended meanwhile, `store_unavailable` where it is in use. */
export async function giveUp(purse: PurseStore, meant: PaymentRecord): Promise<Recovered> {
  const id = encodeHex(meant.paymentHash)
  const signal = AbortSignal.timeout(LOCK_MS)
  const payment = await writeOff(purse, meant, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error
    throw new L402Error(
      'store_unavailable',
      'another run pays or looks up there right now: try again when it has ended',
    )
  })
  if (payment === undefined)
    throw new UsageError(`--write-off: payment ${id.slice(0, 16)} is not open any more`)
  const { origin, url, amountMsat, detail } = payment
  return { paymentHash: id, origin, url, amountMsat, state: 'unknown', detail, writtenOff: true }
}
