import { execInvoiceCapabilities, execPaymentCapabilities } from '../exec/capabilities.ts'
import type { ExecOptions } from '../exec/index.ts'
import { type BackendKind, COMMON, networkOf, type OpenContext, type SettingValues } from './settings.ts'

/** A program of the user's. */
export const execKind: BackendKind = {
  name: 'exec',
  title: 'A program of your own',
  tested: 'real',
  receives: execInvoiceCapabilities,
  pays: execPaymentCapabilities,
  settings: [
    { name: 'program', type: 'file', required: true, what: 'the file of a program' },
    COMMON.network,
  ],
  async openInvoices(values, context) {
    const { exec } = await import('../exec/index.ts')
    return await exec(optionsOf(values, context))
  },
  async openWallet(values, context) {
    const { execWallet } = await import('../exec/index.ts')
    return await execWallet(optionsOf(values, context))
  },
}

function optionsOf(values: SettingValues, context: OpenContext): ExecOptions {
  const network = networkOf(values, context)
  return { program: values['program'] ?? '', ...(network === undefined ? {} : { network }) }
}
