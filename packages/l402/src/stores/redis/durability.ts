import type { Link } from './link.ts'

/** What a server says of how it keeps data; `undefined` where it does not say. */
export interface ServerSettings {
  readonly appendonly: string | undefined
  readonly appendfsync: string | undefined
  readonly maxmemoryPolicy: string | undefined
}

/** What may be lost on this server (rule 9), one sentence each. */
export function durabilityWarnings({
  appendonly,
  appendfsync,
  maxmemoryPolicy,
}: ServerSettings): readonly string[] {
  const warnings: string[] = []
  if (appendonly === undefined)
    warnings.push(
      'Redis does not say whether it writes an append-only file: make sure of "appendonly yes" and "appendfsync always", or what was sold may be lost',
    )
  else if (appendonly !== 'yes')
    warnings.push(
      'Redis runs without an append-only file: when it stops, everything since its last snapshot is lost, and what was used can be used again. Set "appendonly yes" and "appendfsync always"',
    )
  else if (appendfsync === undefined)
    warnings.push(
      'Redis does not say when its append-only file is on disk: make sure of "appendfsync always", or the last uses before a crash may be lost',
    )
  else if (appendfsync !== 'always')
    warnings.push(
      `Redis runs with "appendfsync ${appendfsync}": a crash of its machine loses ${appendfsync === 'everysec' ? 'about the last second' : 'what the system had not written yet'}, and what was used then can be used again. Set "appendfsync always"`,
    )
  if (maxmemoryPolicy !== undefined && maxmemoryPolicy !== 'noeviction')
    warnings.push(
      `Redis runs with "maxmemory-policy ${maxmemoryPolicy}": when memory is short it may throw books away, and what was used can be used again. Set "maxmemory-policy noeviction"`,
    )
  return warnings
}

/** Asks the server. Hosted ones do not let everybody ask with CONFIG; INFO knows half of it. */
export async function readSettings(link: Link): Promise<ServerSettings> {
  const setting = async (name: string): Promise<string | undefined> => {
    const answer = await link.command(['CONFIG', 'GET', name]).catch(() => undefined)
    return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : undefined
  }
  const info = async (section: string, name: string): Promise<string | undefined> => {
    const answer = await link.command(['INFO', section]).catch(() => undefined)
    return typeof answer === 'string' ? new RegExp(`^${name}:(\\S+)`, 'm').exec(answer)?.[1] : undefined
  }
  const enabled = { '0': 'no', '1': 'yes' } as const
  const told = async (): Promise<string | undefined> =>
    enabled[(await info('persistence', 'aof_enabled')) as '0' | '1']
  return {
    appendonly: (await setting('appendonly')) ?? (await told()),
    appendfsync: await setting('appendfsync'),
    maxmemoryPolicy: (await setting('maxmemory-policy')) ?? (await info('memory', 'maxmemory_policy')),
  }
}
