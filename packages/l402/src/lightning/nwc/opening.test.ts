import { expect, it } from 'vitest'
import { type NwcClient, nwc } from './index.ts'

const connection = `nostr+walletconnect://${'a'.repeat(64)}?relay=wss%3A%2F%2Frelay.example&secret=${'b'.repeat(64)}`
const never = (): Promise<unknown> => Promise.reject(new Error('not asked for'))

function clientWith(info: object): NwcClient {
  return {
    getInfo: async () => info,
    getBalance: never,
    makeInvoice: never,
    lookupInvoice: never,
    payInvoice: never,
    close: () => {},
  }
}

it.each([
  [['make_invoice', 'lookup_invoice'], []],
  [
    ['make_invoice', 'lookup_invoice', 'pay_invoice'],
    [
      'NWC wallet by relay.example: its connection can also pay; one that makes and looks up invoices is enough to sell, and whoever steals it can spend nothing',
    ],
  ],
  // It does not say.
  [undefined, []],
])('warns a seller whose connection can also pay: %j', async (methods, warnings) => {
  const client = clientWith({ network: 'regtest', methods })
  expect((await nwc({ connection, client })).warnings).toEqual(warnings)
})
