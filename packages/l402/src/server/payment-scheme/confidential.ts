import { isConfidential } from '../../core/payment-scheme/confidential.ts'
import type { GateRequest } from '../gate.ts'

/** Whether nobody on the way reads the request: TLS, or this machine. */
export function isConfidentialRequest({ base = '' }: Pick<GateRequest, 'base'>): boolean {
  return isConfidential(base)
}
