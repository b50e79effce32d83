import { sandboxLightning } from '@turnpike/l402/lightning/sandbox'

const WARM_UP = 500
const INVOICES = 2_000

/** CPU time that the sandbox's node takes to make an invoice, in microseconds. */
export async function invoiceCpuMicros(): Promise<number> {
  const sandbox = await sandboxLightning()
  try {
    const make = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++)
        await sandbox.createInvoice({ amountMsat: 10_000n, memo: 'bench', expirySeconds: 600 })
    }
    await make(WARM_UP)
    const start = process.cpuUsage()
    await make(INVOICES)
    const { user, system } = process.cpuUsage(start)
    return (user + system) / INVOICES
  } finally {
    await sandbox.close()
  }
}
