import { describeLedger } from '../ledger-contract.test-suite.ts'
import { memoryLedger } from './index.ts'

describeLedger('memoryLedger', async () => ({ ledger: memoryLedger() }))
