/** `workers`: how many processes serve. */

import { availableParallelism } from 'node:os'
import { z } from 'zod'
import type { StoreConfig } from './config.ts'
import type { ConfigIssue } from './issue.ts'
import type { YamlSource } from './yaml-source.ts'

const EXPECTED = 'a number of processes from 1 to 256, or "auto" (one for each core)'
const error = (): string => EXPECTED

/** `workers`. */
export const workersSchema = z
  .union([z.literal('auto'), z.int().min(1).max(256)], { error })
  .describe(
    'Processes that serve, or "auto" for one per core. More than one needs a store they can share. Default 1.',
  )

/** How many processes that is. */
export function workerCount(workers: z.infer<typeof workersSchema> | undefined): number {
  return workers === 'auto' ? availableParallelism() : (workers ?? 1)
}

/** Books in the memory of one process cannot be those of several, and what a proxy reports must reach who holds the use. */
export function checkWorkers(
  source: YamlSource,
  found: { workers: number; store: StoreConfig },
  issues: ConfigIssue[],
): void {
  if (found.workers === 1) return
  if (source.get(['forwardAuth']) !== undefined) {
    const message = `workers: forwardAuth is answered by one process, expected "workers: 1" beside it`
    issues.push({ position: source.locate(['workers']), message })
  }
  if (found.store.kind !== 'memory') return
  const message = `workers: ${found.workers} processes cannot share a store in memory, expected one process or a store such as sqlite:turnpike.db`
  issues.push({ position: source.locate(['workers']), message })
}
