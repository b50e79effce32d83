import { purseContract } from '../purse-contract.test-suite.ts'
import { memoryPurse } from './index.ts'

purseContract('memoryPurse', async (now) => memoryPurse({ now }))
