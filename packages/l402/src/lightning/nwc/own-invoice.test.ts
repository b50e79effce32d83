import { expect, it } from 'vitest'
import { encodeHex } from '../../core/bytes.ts'
import { sha256 } from '../../core/hash.ts'
import { type NwcClient, nwcWallet } from './index.ts'

const connection = `nostr+walletconnect://${'a'.repeat(64)}?relay=wss%3A%2F%2Frelay.example&secret=${'b'.repeat(64)}`
const preimage = new Uint8Array(32).fill(7)
const never = (): Promise<unknown> => Promise.reject(new Error('not asked for'))

it.each([
  [
    'settled',
    { settled_at: 1_700_000_000, preimage: encodeHex(preimage) },
    { status: 'paid', preimage, feeMsat: 0n },
  ],
  ['settled', {}, { status: 'paid_unproven', feeMsat: 0n }],
  ['accepted', {}, { status: 'pending' }],
  ['pending', {}, { status: 'not_found' }],
  ['expired', {}, { status: 'not_found' }],
])(
  'of a payment to itself the wallet may show the incoming half: %s, %j (C3)',
  async (state, more, outcome) => {
    const client: NwcClient = {
      getInfo: async () => ({ network: 'regtest' }),
      lookupInvoice: async () => ({ type: 'incoming', state, fees_paid: 9, ...more }),
      getBalance: never,
      makeInvoice: never,
      payInvoice: never,
      close: () => {},
    }
    const wallet = await nwcWallet({ connection, client })
    expect(await wallet.lookupPayment(sha256(preimage))).toEqual(outcome)
  },
)
