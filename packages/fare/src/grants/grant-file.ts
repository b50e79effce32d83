/** The file that a process is given to spend under a grant: where the daemon is, and the grant's secret. */

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { UsageError } from '../cli/usage-error.ts'

/** What stands in the file. */
export interface GrantFile {
  /** `unix:/path/of/the.sock` or `http://127.0.0.1:PORT`. */
  readonly daemon: string
  /** `ID.SECRET`: whoever has it may spend. */
  readonly grant: string
}

/** The text of the file. */
export function formatGrantFile({ daemon, grant }: GrantFile): string {
  return `${JSON.stringify({ fareGrant: 1, daemon, grant })}\n`
}

/** Reads the file; `FARE_DAEMON` overrides the address. Throws {@link UsageError}, never with a value out of it. */
export function readGrantFile(path: string, env: NodeJS.ProcessEnv): GrantFile {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const why = error instanceof SyntaxError ? 'it holds no JSON' : (error as Error).message
    throw new UsageError(`FARE_GRANT_FILE: cannot read ${path}: ${why}`)
  }
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    GrantFile & { fareGrant: unknown }
  >
  const daemon = env['FARE_DAEMON'] || fields.daemon
  if (fields.fareGrant !== 1 || typeof fields.grant !== 'string' || typeof daemon !== 'string')
    throw new UsageError(`FARE_GRANT_FILE: expected ${path} to be a file of fare grant create -o`)
  return { daemon, grant: fields.grant }
}

/** Writes a secret to a new file for its owner alone; one that is there stays. Throws {@link UsageError}. */
export function writeSecretFile(path: string, text: string): void {
  let file: number
  try {
    file = openSync(path, 'wx', 0o600)
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
    throw new UsageError(
      `-o: cannot write ${path}: ${exists ? 'there is a file already' : (error as Error).message}`,
    )
  }
  try {
    writeSync(file, text)
  } finally {
    closeSync(file)
  }
}
