import { z } from 'zod'
import { listenSchema } from '../../packages/gateway/src/config/listen.ts'
import { priceSchemas } from '../../packages/gateway/src/config/pricing.ts'
import { fileSchema, routeSchema, serviceSchema } from '../../packages/gateway/src/config/schema.ts'
import { tlsSchema } from '../../packages/gateway/src/config/tls.ts'
import { table } from './table.ts'

/** What of a JSON schema stands in the tables. */
interface Node {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: readonly string[]
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly enum?: readonly unknown[]
}

/** The text of `docs/configuration.md`. Throws for a key that says nothing of itself. */
export function configurationPage(): string {
  return `# Configuration

<!-- Made by \`npm run docs\` from the schema that reads the file; edits here are lost. -->

\`turnpike.yaml\`, every key of it. \`turnpike init\` writes one to start from, \`turnpike check\` says what is wrong with one
(\`FILE:LINE:COL: what is wrong, what was expected\`) and prints what it sells.

- Amounts have a unit: \`10 sat\`, \`1500 msat\`, \`0.0001 btc\`. So have durations (\`30s\`, \`10m\`, \`1h\`, \`7d\`) and sizes (\`256 KiB\`).
- \`\${NAME}\` in a value is that environment variable, \`$\${\` a literal \`\${\`. Secrets come from files or variables.
- File names start at the folder of the configuration.
- An unknown key is an error that names the nearest one there is.

## The file

${rows(fileSchema)}

### \`listen\` as a table

${rows(listenSchema)}

### \`tls\`

${rows(tlsSchema)}

### \`lightning\`

The backends and their settings are in [lightning.md](lightning.md). Beside them:

| key | what it says |
|---|---|
| \`strict\` | Whether a credential is honoured only once the node itself calls its invoice settled ([gateway.md](gateway.md#when-a-payment-counts)). Of several backends one that says so is enough. Default false. |
| \`minAmount\`, \`maxAmount\` | The smallest and the largest invoice that this backend is asked for, such as \`10 sat\`. Of several backends all must take a price. A fixed price outside is an error; one that a pricer says is answered with 503, and never changed. Default: what the backend itself takes. |

## A service: \`services.NAME\`

${rows(serviceSchema)}

## A route: \`services.NAME.routes[]\`

${rows(routeSchema)}

### \`price\` as a table

One of these; what they mean is in [pricing.md](pricing.md).

${Object.values(priceSchemas)
  .map((schema) => rows(schema))
  .join('\n\n')}
`
}

function rows(schema: z.ZodType): string {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as Node
  return table(['key', 'what it says'], keysOf(root, ''))
}

function keysOf(node: Node, before: string): string[][] {
  return Object.entries(node.properties ?? {}).flatMap(([name, below]) => {
    const key = `${before}${name}`
    if (below.description === undefined) throw new Error(`the key ${key} has no description`)
    const needed = node.required?.includes(name) === true ? ' Needed.' : ''
    return [[`\`${key}\``, `${below.description}${wordsOf(below)}${needed}`], ...nested(below, key)]
  })
}

/** The keys of a table, of the tables in a list, and of the tables among several forms. */
function nested(node: Node, key: string): string[][] {
  const forms = node.anyOf ?? [node]
  return forms.flatMap((form) => [
    ...keysOf(form, `${key}.`),
    ...(form.items === undefined ? [] : nested(form.items, `${key}[]`)),
  ])
}

function wordsOf({ enum: words }: Node): string {
  return words === undefined ? '' : ` One of ${words.map((word) => `\`${String(word)}\``).join(', ')}.`
}
