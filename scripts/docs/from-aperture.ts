import { APERTURE_KEYS } from '../../packages/gateway/src/aperture/keys.ts'
import { BEHAVIOURS } from '../../packages/gateway/test/aperture/behaviours.ts'
import { table } from './table.ts'

/** The text of `docs/from-aperture.md`. */
export function fromAperturePage(): string {
  return `# From Aperture

<!-- Made by \`npm run docs\` from the tables that the importer and its tests go by; edits here are lost. -->

The gateway reads an \`aperture.yaml\`, sells what it sells, and honours what it has sold.

\`\`\`sh
turnpike serve --aperture ~/.aperture/aperture.yaml --sandbox      # try it, with play money
turnpike import ~/.aperture/aperture.yaml -o turnpike.yaml         # a file of its own, with comments
turnpike keys new && turnpike check && turnpike serve
\`\`\`

1. \`turnpike import\` names on standard error, and in the file, everything that is not carried, with the reason. What it does not
   understand is an error: an unknown \`auth\` word (which Aperture takes for \`off\`), an expression that is not RE2, a number that is
   none. Nothing is ever left open because it was not understood.
2. Read \`turnpike check\`: each route in the order it matches, its price, and what a purchase opens.
3. What stands on Aperture's own command line goes before its file and is not seen here: write it into the file first. With
   \`--sandbox\` a file that says \`network: mainnet\` is refused, since what play money bought would open.
4. Stop Aperture and start the gateway at its address. Aperture's database is only read, and may stay where it is.

\`turnpike serve --aperture FILE\` translates in memory; HUP reads the file again, and a bad one changes nothing. The books
(\`turnpike.db\`) and the master key (\`turnpike.key\`) are beside that file.

## Tokens

\`keys.aperture\` names Aperture's database (SQLite or PostgreSQL): a macaroon that the gateway did not make itself is checked with
the root key that Aperture stored for it. So tokens stay good for the services they were sold for. They do not open: services whose
name had to change, services with a dynamic price (Aperture sold those for single paths), and anything at all if they name no
service. Keys in etcd are not read.

New tokens are made with the gateway's own master key, with the location \`lsat\`, the capabilities and constraints of the service
(which are not enforced here either), and a time; without \`timeout\` that is a hundred years off. \`compat: { lsat: true }\` puts the
\`LSAT\` challenge in a second line, for the oldest clients.

## Expressions

Expressions are RE2 in both; time is linear in the length of what is matched. Aperture's match anywhere, ours match all of a path or
\`Host\` line, so \`^/paid\` becomes \`~/paid.*\`. \`~ONE &~OTHER\` is a path that both match: a path of a whitelist within those of its
service. Paths are matched as they go upstream: dot segments and double slashes are gone, and what needs to be encoded stays so
(\`%20\` is \`%20\`; Aperture matches the space).

## Key by key

${table(
  ['key', 'default', 'becomes', 'remark'],
  APERTURE_KEYS.map(({ key, documented, fallback, becomes, why = '' }) => [
    documented === undefined ? `\`${key}\`` : `\`${key}\`, documented as \`${documented}\``,
    fallback,
    becomes === '' ? '—' : becomes,
    why,
  ]),
)}

## What is different on purpose

Each behaviour of Aperture that can be seen over HTTP is a row of a table that the tests ask of this gateway and \`npm run lab --
aperture-behaviours\` of a real Aperture. Where the two differ:

${table(
  ['behaviour', 'here'],
  BEHAVIOURS.flatMap((row) => {
    const here = 'absent' in row ? row.absent : row.reason
    return here === undefined ? [] : [[`${row.number}. ${row.what}`, here]]
  }),
)}

Beyond that table:

- Unpaid requests are limited (\`challenges\`): 60 a minute for each network, none for this machine, and one invoice for repeated
  requests. Aperture makes an invoice for each.
- The backend does not see the credential, but \`X-L402-Token-Id\` and the like; \`forwardCredential: true\` passes it on.
- Certificates of backends are checked. \`upstreamTls: { insecure: true }\` takes any, for development.
- A backend that fails is a 502 or 504 that says so, and what was counted for the request is given back.
- \`timeout\`, \`capabilities\` and \`constraints\` are in every token. Aperture leaves them out where the price is 0 or dynamic.
- \`Retry-After\`, reasons and prices are in the answers themselves (\`application/problem+json\`); see errors.md.
`
}
