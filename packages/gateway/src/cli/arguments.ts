/** Command lines, read by node:util's parser and refused with a hint. */

import { parseArgs } from 'node:util'
import { CommandError, exitCode } from './exit.ts'
import { nearestName } from './nearest.ts'

/** A flag a command knows. */
export interface FlagSpec {
  readonly type: 'string' | 'boolean'
  readonly short?: string
}

/** What was on the command line. */
export interface Arguments {
  readonly flags: ReadonlySet<string>
  readonly values: ReadonlyMap<string, string>
  readonly positionals: readonly string[]
}

/** Reads `argv` by `specs`. Throws {@link CommandError} with exit code 64 for anything it does not know. */
export function readArguments(
  argv: readonly string[],
  specs: Readonly<Record<string, FlagSpec>>,
  { command, maxPositionals = 0 }: { command: string; maxPositionals?: number },
): Arguments {
  const help = `Run "turnpike ${command} --help" for its flags.`
  const { tokens } = parseArgs({
    args: [...argv],
    options: specs,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const flags = new Set<string>()
  const values = new Map<string, string>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') {
      positionals.push(token.value)
      continue
    }
    if (token.kind !== 'option') continue
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined
    if (spec === undefined) {
      const near = nearestName(token.name, Object.keys(specs))
      const hint = near === undefined ? '' : ` Did you mean --${near}?`
      throw new CommandError(
        exitCode.usage,
        `turnpike ${command}: unknown flag ${token.rawName}.${hint} ${help}`,
      )
    }
    if (spec.type === 'boolean') {
      if (token.value !== undefined) {
        throw new CommandError(exitCode.usage, `turnpike ${command}: --${token.name} takes no value. ${help}`)
      }
      flags.add(token.name)
    } else {
      if (token.value === undefined || token.value === '') {
        throw new CommandError(exitCode.usage, `turnpike ${command}: --${token.name} needs a value. ${help}`)
      }
      values.set(token.name, token.value)
    }
  }
  const extra = positionals[maxPositionals]
  if (extra !== undefined) {
    throw new CommandError(exitCode.usage, `turnpike ${command}: unexpected argument "${extra}". ${help}`)
  }
  return { flags, values, positionals }
}
