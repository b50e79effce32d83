import { formatAmount } from '@turnpike/l402'
import type { PaymentCapabilities } from '@turnpike/l402/lightning'
import { toJson } from '../cli/json.ts'
import type { Streams } from '../cli/streams.ts'
import { columns } from '../cli/text.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import type { ChosenWallet } from '../wallet.ts'

/** `fare wallet test`: reaches the wallet, and says what it can do and what is missing. Pays nothing. */
export async function testWallet(chosen: ChosenWallet, streams: Streams, json: boolean): Promise<ExitCode> {
  const wallet = await chosen.open()
  try {
    await wallet.ping?.()
    const { network, paymentCapabilities: can } = wallet
    const balanceMsat = await wallet.balanceMsat()
    const lacks = missingFrom(can, balanceMsat)
    const fit = can.returnsPreimage
    const exitCode = fit ? EXIT.fetched : EXIT.walletUnreachable
    if (json) {
      const report = { ok: fit, exitCode, wallet: chosen.name, network, balanceMsat, can, lacks }
      await streams.out(toJson(report))
      return exitCode
    }
    const rows = [
      ['wallet', chosen.name],
      ['network', network],
      ['balance', balanceMsat === null ? 'not told' : formatAmount(balanceMsat)],
      ['gives preimages', yesNo(can.returnsPreimage)],
      ['keeps to a fee limit', yesNo(can.capsFees)],
      ['finds payments again', yesNo(can.looksUp)],
      ['pays exact msat', yesNo(can.exactMsat !== false)],
    ]
    await streams.out(`${columns(rows)}\n${lacks.map((line) => `! ${line}\n`).join('')}`)
    return exitCode
  } finally {
    await wallet.close()
  }
}

/** What a buyer should know, worst first. */
function missingFrom(can: PaymentCapabilities, balanceMsat: bigint | null): readonly string[] {
  return [
    ...(can.returnsPreimage ? [] : ['It gives no preimage back, so it cannot buy credentials.']),
    ...(balanceMsat === 0n ? ['There is nothing to spend.'] : []),
    ...(can.capsFees ? [] : ['It keeps to no fee limit, so more of the budget is held for each payment.']),
    ...(can.looksUp ? [] : ['It does not find payments again: one whose answer is lost stays unknown.']),
  ]
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no'
}
