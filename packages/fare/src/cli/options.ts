import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { MCP_FLAGS } from '../mcp/flags.ts'
import { UsageError } from './usage-error.ts'
import { WALLET_FLAGS } from './wallet-options.ts'

/** Options that every command takes. */
const COMMON = {
  sandbox: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsOptionsConfig

/** Options of `get` and `quote`; spelled as curl spells them where curl has them. */
const REQUEST = {
  ...COMMON,
  request: { type: 'string', short: 'X' },
  header: { type: 'string', short: 'H', multiple: true },
  cookie: { type: 'string', short: 'b', multiple: true },
  data: { type: 'string', short: 'd', multiple: true },
  'data-binary': { type: 'string', multiple: true },
  head: { type: 'boolean', short: 'I' },
  location: { type: 'boolean', short: 'L' },
  'max-redirs': { type: 'string' },
  insecure: { type: 'boolean', short: 'k' },
  'max-time': { type: 'string', short: 'm' },
  wallet: { type: 'string' },
  max: { type: 'string' },
  'no-pay': { type: 'boolean' },
  task: { type: 'string' },
  events: { type: 'boolean' },
  compressed: { type: 'boolean' },
  'max-unpacked': { type: 'string' },
  'max-unpack-ratio': { type: 'string' },
  http2: { type: 'boolean' },
  'connect-timeout': { type: 'string' },
  'response-timeout': { type: 'string' },
  'idle-timeout': { type: 'string' },
  'public-only': { type: 'boolean' },
} as const satisfies ParseArgsOptionsConfig

const GET = {
  ...REQUEST,
  output: { type: 'string', short: 'o' },
  'remote-name': { type: 'boolean', short: 'O' },
  include: { type: 'boolean', short: 'i' },
  fail: { type: 'boolean', short: 'f' },
  silent: { type: 'boolean', short: 's' },
  'continue-at': { type: 'string', short: 'C' },
  continue: { type: 'boolean' },
  'no-progress': { type: 'boolean' },
  quote: { type: 'string' },
  'pay-again': { type: 'boolean' },
} as const satisfies ParseArgsOptionsConfig

const BUDGET = {
  ...COMMON,
  host: { type: 'string' },
  request: { type: 'string' },
  hour: { type: 'string' },
  day: { type: 'string' },
  total: { type: 'string' },
  count: { type: 'string' },
  'approve-above': { type: 'string' },
  payee: { type: 'string' },
  task: { type: 'string' },
  'allow-host': { type: 'string', multiple: true },
  'deny-host': { type: 'string', multiple: true },
  'allow-payee': { type: 'string', multiple: true },
  'deny-payee': { type: 'string', multiple: true },
  'price-jump': { type: 'string' },
  unserved: { type: 'string' },
} as const satisfies ParseArgsOptionsConfig

const PAYMENTS = {
  ...COMMON,
  limit: { type: 'string' },
  host: { type: 'string' },
  state: { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  task: { type: 'string' },
  min: { type: 'string' },
  csv: { type: 'boolean' },
} as const satisfies ParseArgsOptionsConfig
const TOKENS = {
  ...COMMON,
  calls: { type: 'string' },
  spend: { type: 'string' },
  until: { type: 'string' },
  paths: { type: 'string' },
  methods: { type: 'string' },
  service: { type: 'string' },
  force: { type: 'boolean' },
  insecure: { type: 'boolean', short: 'k' },
  output: { type: 'string', short: 'o' },
  origin: { type: 'string' },
  'passphrase-file': { type: 'string' },
} as const satisfies ParseArgsOptionsConfig
const GRANT = {
  ...COMMON,
  total: { type: 'string' },
  request: { type: 'string' },
  hosts: { type: 'string' },
  until: { type: 'string' },
  task: { type: 'string' },
  daemon: { type: 'string' },
  output: { type: 'string', short: 'o' },
} as const satisfies ParseArgsOptionsConfig
const DAEMON = {
  ...COMMON,
  wallet: { type: 'string' },
  listen: { type: 'string' },
  'allow-network': { type: 'string', multiple: true },
} as const satisfies ParseArgsOptionsConfig
const BOARD = { ...COMMON, listen: { type: 'string' } } as const satisfies ParseArgsOptionsConfig
const RECOVER = {
  ...COMMON,
  wallet: { type: 'string' },
  'write-off': { type: 'string' },
  yes: { type: 'boolean' },
} as const satisfies ParseArgsOptionsConfig
const MCP = { ...COMMON, ...MCP_FLAGS } as const satisfies ParseArgsOptionsConfig
const WALLET: ParseArgsOptionsConfig = { ...COMMON, backend: { type: 'string' }, ...WALLET_FLAGS }

/** The options of each command. */
export const OPTIONS = {
  get: GET,
  quote: REQUEST,
  budget: BUDGET,
  tokens: TOKENS,
  payments: PAYMENTS,
  recover: RECOVER,
  wallet: WALLET,
  mcp: MCP,
  grant: GRANT,
  daemon: DAEMON,
  board: BOARD,
  completions: COMMON,
  schema: COMMON,
} as const

const EVERY: ParseArgsOptionsConfig = {
  ...WALLET,
  ...BUDGET,
  ...PAYMENTS,
  ...TOKENS,
  ...GRANT,
  ...DAEMON,
  ...MCP,
  ...GET,
}

/** Index of the first word that is neither an option nor its value; -1 where there is none. */
export function firstWord(argv: readonly string[]): number {
  const { tokens } = parseArgs({
    args: [...argv],
    options: EVERY,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  return tokens.find(({ kind }) => kind === 'positional')?.index ?? -1
}

/**
 * A whole number as typed after a flag.
 *
 * @throws UsageError naming the flag.
 */
export function wholeNumber(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[0-9]{1,4}$/.test(text)) throw new UsageError(`${flag}: expected a whole number, got "${text}"`)
  return Number(text)
}

/** Parsed options of a command and what stood beside them. */
export type Parsed<T extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: T; allowPositionals: true; strict: true }>
>

/**
 * Parses what was typed after the command.
 *
 * @throws UsageError that names the unknown option.
 */
export function parseOptions<T extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: T,
): Parsed<T> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const [, ambiguous] = /^Option '([^']+)' argument is ambiguous/.exec(message) ?? []
    if (ambiguous !== undefined) {
      const written = ambiguous.startsWith('--') ? `${ambiguous}=-…` : `${ambiguous}-…`
      throw new UsageError(
        `${ambiguous}: expected a value, got another option; one that begins with a dash is written ${written}`,
      )
    }
    throw new UsageError(message.split('. To specify a positional')[0] ?? message)
  }
}
