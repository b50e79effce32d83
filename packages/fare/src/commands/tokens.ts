import { formatAmount } from '@turnpike/l402'
import { type PurseStore, type StoredCredential, shownCaveatsOf } from '@turnpike/l402/client'
import { toJson } from '../cli/json.ts'
import { OPTIONS, type Parsed, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { columns, printable, timeText } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openSession } from '../session.ts'
import { attenuate } from './attenuate.ts'
import { exportTokens, importTokens } from './token-transfer.ts'

/** What was typed after `fare tokens`. */
type TokensTyped = Parsed<typeof OPTIONS.tokens>['values']

/** What an action of `fare tokens` works with. */
export interface TokensAction {
  readonly purse: PurseStore
  readonly values: TokensTyped
  /** What stood behind the action. */
  readonly words: readonly string[]
  readonly streams: Streams
  readonly env: NodeJS.ProcessEnv
}

const EXPECTED =
  'expected: fare tokens list | show ID | attenuate ID | import [FILE|FOLDER] | export [ID…] | forget ID'

/** The options that each action takes; every one takes `--json`. */
const TAKES = {
  list: [],
  show: [],
  forget: [],
  attenuate: ['calls', 'spend', 'until', 'paths', 'methods', 'service', 'force', 'insecure', 'output'],
  import: ['origin', 'passphrase-file'],
  export: ['output', 'passphrase-file'],
} as const

type Action = keyof typeof TAKES

/** `fare tokens list · show · attenuate · import · export · forget`: what was bought. */
export async function tokens(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.tokens)
  const [action, ...words] = positionals
  if (action === undefined || !isAction(action)) throw new UsageError(EXPECTED)
  const taken: readonly string[] = [...TAKES[action], 'json', 'sandbox']
  const stray = Object.keys(values).find((name) => !taken.includes(name))
  if (stray !== undefined) throw new UsageError(`fare tokens ${action} takes no --${stray}`)
  if (action === 'list' && words.length > 0) throw new UsageError(EXPECTED)
  const session = openSession(env)
  try {
    const given: TokensAction = { purse: session.purse, values, words, streams, env }
    return await ACTIONS[action](given)
  } finally {
    await session.close()
  }
}

const ACTIONS: Readonly<Record<Action, (given: TokensAction) => Promise<ExitCode>>> = {
  list,
  show,
  forget,
  attenuate,
  import: importTokens,
  export: exportTokens,
}

function isAction(word: string): word is Action {
  return Object.hasOwn(TAKES, word)
}

/**
 * The credential of the id that was typed, or of its beginning.
 *
 * @throws UsageError
 */
export async function typedToken(given: TokensAction): Promise<StoredCredential> {
  const [id, ...rest] = given.words
  if (id === undefined || rest.length > 0)
    throw new UsageError('expected the id of one credential; fare tokens list shows them')
  const found = (await given.purse.credentials()).filter((one) => one.id.startsWith(id))
  const [only, ...others] = found
  if (only === undefined || id.length < 4)
    throw new UsageError(`the purse holds no credential "${printable(id)}"; fare tokens list shows them`)
  if (others.length > 0) throw new UsageError(`"${id}" begins the ids of ${found.length} credentials`)
  return only
}

async function list({ purse, values, streams }: TokensAction): Promise<ExitCode> {
  const shown = (await purse.credentials()).map(describe)
  if (values.json) await streams.out(toJson({ ok: true, tokens: shown }))
  else if (shown.length === 0) await streams.out('The purse holds no credentials.\n')
  else {
    const rows = shown.map(({ id, origin, costMsat, boughtAt, boughtFor, caveats }) => [
      id,
      origin,
      formatAmount(costMsat),
      boughtAt,
      printable(boughtFor),
      caveats.map(printable).join(' · '),
    ])
    await streams.out(`${columns([['ID', 'ORIGIN', 'COST', 'BOUGHT', 'FOR', 'CAVEATS'], ...rows])}\n`)
  }
  return EXIT.fetched
}

async function show(given: TokensAction): Promise<ExitCode> {
  const { values, streams } = given
  const shown = describe(await typedToken(given))
  if (values.json) {
    await streams.out(toJson({ ok: true, exitCode: EXIT.fetched, token: shown }))
    return EXIT.fetched
  }
  const many = (name: string, texts: readonly string[]): string[][] =>
    texts.map((text, i) => [i === 0 ? name : '', printable(text)])
  const rows = [
    ['id', shown.id],
    ['origin', shown.origin],
    ['bought for', printable(shown.boughtFor)],
    ['cost', formatAmount(shown.costMsat)],
    ['bought', shown.boughtAt],
    ['last used', shown.lastUsedAt ?? 'never'],
    ...many('caveats', shown.caveats),
    ...many('rejected for', shown.rejectedFor),
  ]
  await streams.out(`${columns(rows)}\n`)
  return EXIT.fetched
}

async function forget(given: TokensAction): Promise<ExitCode> {
  const { id, origin, costMsat } = await typedToken(given)
  await given.purse.forgetCredential(id)
  const text = `Forgot credential ${id} for ${origin}, which cost ${formatAmount(costMsat)}; it cannot be had back.\n`
  await given.streams.out(given.values.json ? toJson({ ok: true, exitCode: EXIT.fetched, token: id }) : text)
  return EXIT.fetched
}

function describe(credential: StoredCredential) {
  return {
    id: credential.id,
    origin: credential.origin,
    boughtFor: credential.boughtFor,
    boughtAt: timeText(credential.createdAtMs),
    lastUsedAt: credential.lastUsedAtMs === 0 ? null : timeText(credential.lastUsedAtMs),
    costMsat: credential.costMsat,
    caveats: shownCaveatsOf(credential.macaroon),
    rejectedFor: credential.rejectedFor,
  }
}
