import { readdirSync, readFileSync } from 'node:fs'

/**
 * CPU time used so far by a process and its children, in microseconds, from Linux's /proc; `undefined` elsewhere.
 * Resolution: one clock tick, 10 ms.
 */
export function processCpuMicros(pid: number): number | undefined {
  try {
    let micros = ownCpuMicros(pid)
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim()
      for (const child of children === '' ? [] : children.split(' '))
        micros += processCpuMicros(Number(child)) ?? 0
    }
    return micros
  } catch {
    return undefined
  }
}

function ownCpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command name may hold spaces; the fields after its closing bracket start with number 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}
