import { lndInvoiceCapabilities, lndPaymentCapabilities } from '../lnd/capabilities.ts'
import type { LndOptions } from '../lnd/client.ts'
import {
  type BackendKind,
  COMMON,
  networkOf,
  type OpenContext,
  pick,
  type SettingValues,
} from './settings.ts'

/** lnd, over REST. */
export const lndKind: BackendKind = {
  name: 'lnd',
  title: 'lnd',
  tested: 'real',
  receives: lndInvoiceCapabilities,
  pays: lndPaymentCapabilities,
  settings: [
    { name: 'url', type: 'url', required: true, what: 'its REST address such as https://127.0.0.1:8080' },
    { name: 'macaroon', type: 'secret', required: true, what: 'the file of a macaroon' },
    COMMON.tlsCert,
    COMMON.proxy,
    COMMON.network,
    COMMON.routeHints,
  ],
  async openInvoices(values, context) {
    const { lnd } = await import('../lnd/index.ts')
    return await lnd({ ...optionsOf(values, context), routeHints: values['routeHints'] === 'true' })
  },
  async openWallet(values, context) {
    const { lndWallet } = await import('../lnd/index.ts')
    return await lndWallet(optionsOf(values, context))
  },
}

function optionsOf(values: SettingValues, context: OpenContext): LndOptions {
  const network = networkOf(values, context)
  return {
    url: values['url'] ?? '',
    ...pick(values, ['macaroon', 'macaroonFile', 'tlsCertFile', 'proxy']),
    ...(network === undefined ? {} : { network }),
  }
}
