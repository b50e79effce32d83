import type { UsageRates } from '../charge.ts'
import { type Cost, costOf, payable } from '../cost.ts'
import { fieldOf } from '../field-of.ts'
import type { Part } from './part.ts'

/** Of several places the first that holds something counts. */
type Places = readonly (readonly string[])[]

/** Where an API says how many tokens were used. */
interface Shape {
  /** The `usage` object, in an answer or in an event of a stream. The others are inside of it. */
  readonly usage: Places
  readonly input: Places
  readonly output: Places
  /** Input that came from the model's cache. */
  readonly cached: Places
  /** Input that was written to the cache and is not in `input`; costs the same. */
  readonly cacheWrite: Places
  /** Whether `input` holds what is in `cached`, too. */
  readonly inputHoldsCached: boolean
}

const SHAPES: Readonly<Record<UsageRates['shape'], Shape>> = {
  // Chat completions: in a stream, in the last chunk, and null before. Responses: in a stream, in `response.completed`.
  openai: {
    usage: [['usage'], ['response', 'usage']],
    input: [['prompt_tokens'], ['input_tokens']],
    output: [['completion_tokens'], ['output_tokens']],
    cached: [
      ['prompt_tokens_details', 'cached_tokens'],
      ['input_tokens_details', 'cached_tokens'],
    ],
    cacheWrite: [],
    inputHoldsCached: true,
  },
  // Messages: in a stream, whole in `message_start`; then `message_delta` has totals of some fields.
  anthropic: {
    usage: [['usage'], ['message', 'usage']],
    input: [['input_tokens']],
    output: [['output_tokens']],
    cached: [['cache_read_input_tokens']],
    cacheWrite: [['cache_creation_input_tokens']],
    inputHoldsCached: false,
  },
}

const FIELDS = ['input', 'output', 'cached', 'cacheWrite'] as const

/** Tokens of a language model. Of a stream's events each field counts as it was said last. */
export function usagePart({ shape, input, output, cachedInput = input }: UsageRates): Part {
  const places = SHAPES[shape]
  const said: { [field in (typeof FIELDS)[number]]?: bigint | 'wrong' } = {}
  return {
    value(value) {
      const usage = at(value, places.usage)
      if (usage === undefined) return
      if (typeof usage !== 'object') said.input = 'wrong'
      for (const field of FIELDS) {
        const tokens = at(usage, places[field])
        if (tokens !== undefined) said[field] = tokensOf(tokens)
      }
    },
    cost(): Cost {
      // Embeddings have no output; without input nothing is known.
      const { input: all, output: out = 0n, cached = 0n, cacheWrite = 0n } = said
      if (all === undefined) return 'absent'
      if (all === 'wrong' || out === 'wrong' || cached === 'wrong' || cacheWrite === 'wrong') return 'wrong'
      const fresh = all + cacheWrite - (places.inputHoldsCached ? cached : 0n)
      if (fresh < 0n) return 'wrong'
      return payable(costOf(input, fresh) + costOf(cachedInput, cached) + costOf(output, out))
    },
  }
}

function at(value: unknown, places: Places): unknown {
  for (const path of places) {
    const found = fieldOf(value, path)
    if (found !== undefined) return found
  }
  return undefined
}

function tokensOf(value: unknown): bigint | 'wrong' {
  const tokens = typeof value === 'number' && value >= 0 ? Math.ceil(value) : Number.NaN
  return Number.isSafeInteger(tokens) ? BigInt(tokens) : 'wrong'
}
