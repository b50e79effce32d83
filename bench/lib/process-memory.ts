import { readFileSync } from 'node:fs'

/** Resident memory of a process in bytes, from Linux's /proc; NaN elsewhere. */
export function residentBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
  } catch {
    return Number.NaN
  }
}
