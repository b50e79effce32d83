/** Probes of any L402 server, for programs and test suites. Node only: header lines are read as they come. */

export type { DiagnosePaid, DiagnosePay } from './buy.ts'
export { type DiagnoseOptions, type Diagnosis, diagnose } from './diagnose.ts'
export type { Finding } from './finding.ts'
export { type ClientReading, readingsOf, type Unpaid } from './known-clients.ts'
