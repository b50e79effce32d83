/**
 * One of many buyers on one purse: `PURSE SERVER WALLET NAME COUNT`. Buys `/NAME/0`, `/NAME/1`, … and says a line for each
 * that has come to an end, so that whoever is started in its place goes on where it was killed.
 */

import { buyer, prepareRequest } from '@turnpike/l402/client'
import { sandboxWallet } from '@turnpike/l402/lightning/sandbox-wallet'
import { sqlitePurse } from '@turnpike/l402/purse/sqlite'

const [, , file = '', server = '', wallet = '', name = '', from = '', count = ''] = process.argv
const purse = sqlitePurse({ file })
const { fetch } = buyer({
  wallet: sandboxWallet({ url: wallet }),
  walletName: 'sandbox',
  purse,
  paymentTimeoutMs: 3_000,
})

for (let i = Number(from); i < Number(count); ) {
  const request = await prepareRequest(`${server}/${name}/${i}`)
  // A connection that the server had just closed: thrown only as long as nothing was paid.
  const outcome = await fetch(request).catch(() => undefined)
  if (outcome === undefined) {
    process.stdout.write(`again ${i} threw\n`)
    continue
  }
  const body = outcome.kind === 'served' ? await outcome.response.text() : ''
  const final = body === 'sunny' || outcome.kind === 'refused'
  const what = outcome.kind === 'refused' ? `refused ${outcome.reason}` : outcome.kind
  process.stdout.write(`${final ? 'end' : 'again'} ${i} ${what}\n`)
  if (final) i++
  else if ('response' in outcome) await outcome.response?.body?.cancel()
}
await purse.close()
process.exit(0)
