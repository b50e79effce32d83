/** Which processor core each part of a benchmark runs on, so that they do not disturb each other. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Parts of the proxy benchmark. The proxy has a core to itself; load and upstream share one where there are only two. */
export type Part = 'proxy' | 'upstream' | 'load'

const allowed = allowedCores()
const cores: Readonly<Record<Part, number | undefined>> = {
  upstream: allowed[0],
  proxy: allowed[1],
  load: allowed[2] ?? allowed[0],
}

/** Whether every part runs on a core of its choice. */
export const pinning: boolean =
  allowed.length > 1 && spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0

/** The command that runs `command` on the core of `part`. */
export function pinned(part: Part, command: string, args: readonly string[]): [string, string[]] {
  return pinning ? ['taskset', ['-c', String(cores[part]), command, ...args]] : [command, [...args]]
}

/** The cores this process may use, from Linux's /proc; none elsewhere. */
function allowedCores(): number[] {
  try {
    const list = /^Cpus_allowed_list:\s*(.+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
    return list.split(',').flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
  } catch {
    return []
  }
}
