/** What Linux says of a process. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib ?? Number.NaN) * 1024
}

/** How many sockets a process has open, listening ones with them. */
export function openSockets(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}

/** By how much the values of a line rise per unit of `at`: least squares. */
export function slopeOf(points: readonly (readonly [at: number, value: number])[]): number {
  const mean = (of: 0 | 1): number => points.reduce((sum, point) => sum + point[of], 0) / points.length
  const [atMean, valueMean] = [mean(0), mean(1)]
  const spread = points.reduce((sum, [at]) => sum + (at - atMean) ** 2, 0)
  return points.reduce((sum, [at, value]) => sum + (at - atMean) * (value - valueMean), 0) / spread
}
