import { nwcInvoiceCapabilities, nwcPaymentCapabilities } from '../nwc/capabilities.ts'
import type { NwcOptions } from '../nwc/client.ts'
import {
  type BackendKind,
  COMMON,
  networkOf,
  type OpenContext,
  type SettingValues,
  secretOf,
} from './settings.ts'

async function optionsOf(values: SettingValues, context: OpenContext): Promise<NwcOptions> {
  const network = networkOf(values, context)
  const connection = await secretOf(values, 'connection')
  return { connection, ...(network === undefined ? {} : { network }) }
}

function nwcLike(name: string, title: string): BackendKind {
  return {
    name,
    title,
    tested: name === 'nwc' ? 'real' : 'fixture',
    receives: nwcInvoiceCapabilities,
    pays: nwcPaymentCapabilities,
    settings: [
      {
        name: 'connection',
        type: 'secret',
        required: true,
        what: 'the file of a connection string "nostr+walletconnect://…"',
      },
      COMMON.network,
    ],
    async openInvoices(values, context) {
      const { nwc } = await import('../nwc/index.ts')
      return await nwc(await optionsOf(values, context))
    },
    async openWallet(values, context) {
      const { nwcWallet } = await import('../nwc/index.ts')
      return await nwcWallet(await optionsOf(values, context))
    },
  }
}

/** Any wallet that speaks Nostr Wallet Connect. */
export const nwcKind: BackendKind = nwcLike('nwc', 'Nostr Wallet Connect')

/** Alby Hub: its apps are NWC connections. */
export const albyhubKind: BackendKind = nwcLike('albyhub', 'Alby Hub')
