import { OPTIONS, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { jsonSchemaOf, SCHEMAS, type SchemaName } from '../schema/outputs.ts'

/** `fare schema [NAME]`: JSON Schema of what `--json` and `--events` write. */
export async function schema(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { positionals } = parseOptions(args, OPTIONS.schema)
  const [name, ...rest] = positionals
  if (rest.length > 0 || (name !== undefined && !isName(name)))
    throw new UsageError(`expected: fare schema [NAME], one of ${Object.keys(SCHEMAS).join(', ')}`)
  const shown = jsonSchemaOf(name !== undefined && isName(name) ? name : undefined)
  await streams.out(`${JSON.stringify(shown, null, 2)}\n`)
  return EXIT.fetched
}

function isName(text: string): text is SchemaName {
  return Object.hasOwn(SCHEMAS, text)
}
