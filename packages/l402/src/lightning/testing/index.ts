export { type ConformanceCase, type LightningUnderTest, lightningCases, type MakeLightning } from './cases.ts'
export { type Fault, type FaultSwitch, faultSwitch } from './faults.ts'
