/**
 * What every Lightning backend must do, as cases for any test runner:
 *
 * ```ts
 * for (const { name, run, skip } of lightningCases(make)) (skip ? it.skip : it)(name, run)
 * ```
 */

import type { InvoiceBackend, PaymentBackend } from '../backend.ts'
import { faultCases } from './fault-cases.ts'
import type { FaultSwitch } from './faults.ts'
import { faultSwitch } from './faults.ts'
import { holdCases } from './hold-cases.ts'
import { invoiceCases } from './invoice-cases.ts'
import { openingCases } from './opening-cases.ts'
import { paymentCases } from './payment-cases.ts'

/** A backend, and what the kit needs to know of it. Either end may be another backend's, to have both. */
export interface LightningUnderTest {
  readonly invoices: InvoiceBackend
  /** Left out where there is nobody to pay: only the invoices' cases run. */
  readonly payments?: PaymentBackend
  /** Whose cases to run; left out: both. */
  readonly subject?: 'invoices' | 'payments'
  /** Picks the requests that send a payment (for the wallet) or make an invoice (for the seller). */
  readonly sends?: (url: string, body: string) => boolean
  /** Opens the subject again, with one thing wrong; rejects, as the backend's factory does. */
  readonly open?: {
    /** A credential that the node does not know. */
    readonly wrongCredential?: () => Promise<unknown>
    /** A network that the node is not on. */
    readonly wrongNetwork?: () => Promise<unknown>
    /** Another certificate than the node's. */
    readonly otherCertificate?: () => Promise<unknown>
    /** A port where nothing listens. */
    readonly nobody?: () => Promise<unknown>
  }
  /** Stops the node and starts it again; resolves when it is back. */
  readonly restart?: () => Promise<void>
  /** Texts that no error may hold. */
  readonly secrets?: readonly string[]
  /** Most that a fee may be here: 0 where both ends share a channel. Default 0. */
  readonly mostFeeMsat?: bigint
  /** Milliseconds a payment may take here; default 20 seconds. */
  readonly patienceMs?: number
  /** Payments at once that are tried; default 8. */
  readonly atOnce?: number
  close(): Promise<void>
}

/** Makes the backend once, for all cases; `faults.wrap` its `fetch`, where it has one. */
export type MakeLightning = (faults: FaultSwitch) => Promise<LightningUnderTest>

/** One case. */
export interface ConformanceCase {
  readonly name: string
  /** Rejects where the backend fails it; answers why it does not apply, where it does not. */
  run(): Promise<string | undefined>
}

/** What cases get to work with. */
export interface Bench {
  readonly it: LightningUnderTest
  readonly faults: FaultSwitch
}

/** A case before it is bound to a backend; answers a reason where it does not apply. */
export interface CaseBody {
  readonly name: string
  readonly of: 'invoices' | 'payments' | 'either'
  run(bench: Bench): Promise<string | undefined>
}

/**
 * All cases, in the order they are to be run. The last one closes the backend.
 *
 * @param make is called at the first case.
 */
export function lightningCases(make: MakeLightning): readonly ConformanceCase[] {
  const faults = faultSwitch()
  let made: Promise<LightningUnderTest> | undefined
  const bench = async (): Promise<Bench> => {
    made ??= make(faults)
    return { it: await made, faults }
  }
  const bodies = [...openingCases, ...invoiceCases, ...holdCases, ...paymentCases, ...faultCases]
  const cases = bodies.map(
    ({ name, of, run }): ConformanceCase => ({
      name,
      async run() {
        const at = await bench()
        const { subject } = at.it
        if (subject !== undefined && of !== 'either' && of !== subject)
          return `only its ${subject} are tested`
        if (of === 'payments' && at.it.payments === undefined) return 'it does not pay'
        try {
          return await run(at)
        } finally {
          faults.set(undefined)
        }
      },
    }),
  )
  const end: ConformanceCase = {
    name: 'ends what it has started',
    async run() {
      await (await bench()).it.close()
      return undefined
    },
  }
  return [...cases, end]
}
