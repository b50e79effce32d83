import { describeLedger } from '../ledger-contract.test-suite.ts'
import { memoryStore } from './index.ts'

describeLedger('memoryStore', async (now) => ({ ledger: memoryStore({ now }) }))
