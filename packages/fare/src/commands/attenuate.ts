import { formatCredential, L402Error } from '@turnpike/l402'
import { toJson } from '../cli/json.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { writeSecretFile } from '../grants/grant-file.ts'
import { plainFetch } from '../plain-fetch.ts'
import { assertNarrower } from '../tokens/bounds.ts'
import { enforcedConditions, isListed } from '../tokens/enforced.ts'
import {
  isBoundToKey,
  macaroonOf,
  type Narrowing,
  narrowed,
  serviceToNarrow,
  typedNarrowing,
} from '../tokens/narrow.ts'
import { type TokensAction, typedToken } from './tokens.ts'

/**
 * `fare tokens attenuate ID --calls 10 …`: a narrower copy for somebody else. It is the one command that shows a
 * secret, because that is what it is for: once, on standard output or in a file of its own (0600).
 */
export async function attenuate(given: TokensAction): Promise<ExitCode> {
  const { values, streams } = given
  const conditions = typedNarrowing(values)
  const credential = await typedToken(given)
  const macaroon = macaroonOf(credential.macaroon)
  if (isBoundToKey(macaroon))
    throw new L402Error(
      'payment_refused',
      'Nothing was handed out: this credential is bound to a key that stays in this purse (dpop_jkt), so a copy would open for nobody',
    )
  const service = serviceToNarrow(macaroon, values.service)
  assertNarrower(macaroon, { service, conditions })
  if (!values.force) await assertEnforced({ ...given, origin: credential.origin, service, conditions })
  const copy = narrowed(macaroon, { service, conditions })
  const authorization = formatCredential(copy.text, credential.preimage)
  const { origin } = credential
  const file = values.output === undefined || values.output === '-' ? undefined : values.output
  if (file !== undefined)
    writeSecretFile(file, toJson({ origin, authorization, boughtFor: credential.boughtFor }))
  if (values.json) {
    const shown = { id: credential.id, origin, caveats: copy.caveats, file: file ?? null }
    await streams.out(
      toJson({
        ok: true,
        exitCode: EXIT.fetched,
        ...shown,
        authorization: file === undefined ? authorization : null,
      }),
    )
  } else if (file === undefined) {
    await streams.out(`${authorization}\n`)
    streams.err(
      `fare: narrowed by ${copy.caveats.join(' · ')}; an Authorization value for ${origin}, which opens for whoever has it`,
    )
  } else {
    await streams.out(
      `Wrote a copy narrowed by ${copy.caveats.join(' · ')} to ${file}; fare tokens import reads it.\n`,
    )
  }
  return EXIT.fetched
}

/** Refuses what would only look like a limit: a server skips conditions that it does not know (protocol §5). */
async function assertEnforced({
  values,
  env,
  origin,
  service,
  conditions,
}: TokensAction & {
  readonly origin: string
  readonly service: string
  readonly conditions: readonly Narrowing[]
}): Promise<void> {
  const { fetch, close } = plainFetch({ insecure: values.insecure ?? false, env })
  try {
    const listed = await enforcedConditions(origin, fetch)
    const names = conditions.map(({ condition }) => `${service}_${condition}`)
    if (listed === null)
      throw new L402Error(
        'payment_refused',
        `Nothing was handed out: ${origin} does not say which conditions it enforces, so ${names.join(', ')} may bind nobody; --force hands it out all the same`,
      )
    const missing = conditions.filter(({ condition }) => !isListed(listed, { service, condition }))
    if (missing.length > 0)
      throw new L402Error(
        'payment_refused',
        `Nothing was handed out: ${origin} does not list ${missing.map(({ condition }) => `${service}_${condition}`).join(', ')} as enforced, so it may bind nobody; --force hands it out all the same`,
      )
  } finally {
    await close()
  }
}
