/** Which process somebody is, and whether it still lives. */

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import process from 'node:process'
import { encodeHex, encodeUtf8 } from '../../core/bytes.ts'
import { sha256 } from '../../core/hash.ts'

/** The machine, short. A process of another one cannot be asked about. */
const machine = encodeHex(sha256(encodeUtf8(hostname()))).slice(0, 8)

/** A name for one who waits in this process: machine, process, when that process began, and something of its own. */
export function newProcessId(): string {
  const { pid } = process
  return `${machine}.${pid}.${startOf(pid) ?? 0}.${randomBytes(6).toString('hex')}`
}

/** Whether the process of `id` is certain to have ended. */
export function hasEnded(id: string): boolean {
  const [where, pidText, startText] = id.split('.')
  const pid = Number(pidText)
  if (where !== machine || !Number.isSafeInteger(pid) || pid < 1) return false
  const start = Number(startText)
  if (start > 0) {
    const now = startOf(pid)
    // Its number may be another process's by now.
    if (now !== undefined && now !== start) return true
  }
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}

/** When a process began, where the system tells (Linux); -1 for one that ended and was not cleared away yet. */
function startOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is a name in brackets, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? -1 : Number(fields[19])
  } catch {
    return undefined
  }
}
