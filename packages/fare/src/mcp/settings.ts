import { realpathSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { typedAmount } from '../budget.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import { typedBounds } from '../cli/unpack-options.ts'
import { UsageError } from '../cli/usage-error.ts'
import { type AddressGuard, addressGuard } from '../net/ssrf-guard.ts'
import type { UnpackBounds } from '../net/unpack-bounds.ts'

/** What `fare mcp` was started with. Nothing of it can be changed by a tool. */
export interface McpSettings {
  readonly env: NodeJS.ProcessEnv
  readonly sandbox: boolean
  readonly wallet: string | undefined
  /** Most that all calls of this process may cost together, fees included; `undefined`: the budget alone. */
  readonly maxMsat: bigint | undefined
  /** A payment above this needs a person's approval; `undefined`: none does. */
  readonly askAboveMsat: bigint | undefined
  readonly noPay: boolean
  /** Real path of the folder that answers may be written into. */
  readonly outputFolder: string | undefined
  /** Which addresses may be connected to. */
  readonly addresses: AddressGuard
  /** How large a compressed answer may become; `undefined`: the default. */
  readonly unpackBounds: UnpackBounds | undefined
  /** Where to serve HTTP; `undefined`: standard input and output. */
  readonly listen: Listen | undefined
  readonly tokenFile: string | undefined
}

/** A loopback address and port; 0 is any free one. */
export interface Listen {
  readonly host: string
  readonly port: number
}

/** Reads the command line. Throws {@link UsageError}. */
export function readSettings(args: readonly string[], env: NodeJS.ProcessEnv): McpSettings {
  const { values, positionals } = parseOptions(args, OPTIONS.mcp)
  if (positionals.length > 0) throw new UsageError(`fare mcp takes no argument, got "${positionals[0]}"`)
  if (values.json) throw new UsageError('fare mcp speaks MCP on standard output; --json does not go with it')
  const amount = (flag: 'max' | 'ask-above'): bigint | undefined => {
    const text = values[flag]
    return text === undefined ? undefined : typedAmount(`--${flag}`, text)
  }
  const listen = values.listen === undefined ? undefined : listenAt(values.listen)
  if (listen === undefined && values['token-file'] !== undefined)
    throw new UsageError('--token-file goes with --listen')
  return {
    env,
    sandbox: values.sandbox ?? false,
    wallet: values.wallet,
    maxMsat: amount('max'),
    askAboveMsat: amount('ask-above'),
    noPay: values['no-pay'] ?? false,
    outputFolder: values['output-dir'] === undefined ? undefined : folderAt(values['output-dir']),
    unpackBounds: typedBounds(values),
    addresses: guardOf(values['allow-network'] ?? []),
    listen,
    tokenFile: values['token-file'],
  }
}

function guardOf(networks: readonly string[]): AddressGuard {
  try {
    return addressGuard({ allow: networks })
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`--allow-network: ${error.message}`)
    throw error
  }
}

function folderAt(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found?.isDirectory())
    throw new UsageError(`--output-dir: expected a folder that is there, got "${path}"`)
  return realpathSync(path)
}

function listenAt(text: string): Listen {
  const found = /^(\[[0-9a-f:.]+\]|[^:]+):([0-9]{1,5})$/i.exec(text)
  const host = found?.[1]?.replace(/^\[|\]$/g, '') ?? ''
  const port = Number(found?.[2])
  const loopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  // Whoever reaches the port can spend: it is for this machine alone.
  if (found === null || !loopback || port > 65_535)
    throw new UsageError(`--listen: expected a loopback address and port, e.g. 127.0.0.1:8406, got "${text}"`)
  return { host, port }
}
