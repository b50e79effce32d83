import { describe, expect, it } from 'vitest'
import { encodeUtf8 } from '../../../core/bytes.ts'
import * as answers from '../answers.test-suite.ts'
import type { UsageRates } from '../charge.ts'
import { eventStream } from '../event-stream.ts'
import { usagePart } from './usage.ts'

// Units that can be told apart in a sum.
const input = { msat: 1n, per: 1n }
const output = { msat: 1_000_000n, per: 1n }
const cachedInput = { msat: 1_000_000_000_000n, per: 1n }

function usageOf(shape: UsageRates['shape'], body: string) {
  const part = usagePart({ shape, input, output, cachedInput })
  if (body.startsWith('{')) part.value?.(JSON.parse(body))
  else {
    const stream = eventStream((data) => data.startsWith('{') && part.value?.(JSON.parse(data)))
    stream.push(encodeUtf8(body))
    stream.end()
  }
  const cost = part.cost()
  if (typeof cost !== 'bigint') return cost
  return {
    input: Number(cost % output.msat),
    output: Number((cost / output.msat) % output.msat),
    cached: Number(cost / cachedInput.msat),
  }
}

describe('usage', () => {
  it.each([
    ['openai', 'a chat completion', answers.OPENAI_CHAT, { input: 86, output: 300, cached: 1920 }],
    [
      'openai',
      'a streamed chat completion',
      answers.OPENAI_CHAT_STREAM,
      { input: 19, output: 10, cached: 0 },
    ],
    ['openai', 'embeddings', answers.OPENAI_EMBEDDINGS, { input: 8, output: 0, cached: 0 }],
    ['openai', 'a response', answers.OPENAI_RESPONSE, { input: 200, output: 52, cached: 128 }],
    [
      'openai',
      'a streamed response',
      answers.OPENAI_RESPONSE_STREAM,
      { input: 200, output: 52, cached: 128 },
    ],
    ['anthropic', 'a message', answers.ANTHROPIC_MESSAGE, { input: 298, output: 503, cached: 1800 }],
    ['anthropic', 'a streamed message', answers.ANTHROPIC_STREAM, { input: 472, output: 89, cached: 100 }],
    [
      'anthropic',
      'a streamed message with a tool',
      answers.ANTHROPIC_STREAM_WITH_TOOL,
      { input: 10682, output: 510, cached: 100 },
    ],
    [
      'anthropic',
      'a message broken off',
      answers.ANTHROPIC_STREAM_BROKEN_OFF,
      { input: 472, output: 2, cached: 100 },
    ],
  ] as const)('of %s is read from %s', (shape, _, body, tokens) => {
    expect(usageOf(shape, body)).toEqual(tokens)
  })

  it('is absent where nothing says it', () => {
    expect(usageOf('openai', answers.OPENAI_CHAT_STREAM_WITHOUT_USAGE)).toBe('absent')
    expect(usageOf('openai', '{"usage":null,"response":"text"}')).toBe('absent')
    expect(
      usageOf('anthropic', '{"type":"error","error":{"type":"invalid_request_error","message":"no"}}'),
    ).toBe('absent')
    expect(usageOf('anthropic', '{"usage":{"output_tokens":5}}')).toBe('absent')
  })

  it('costs as other input where cached input has no rate of its own', () => {
    const part = usagePart({
      shape: 'openai',
      input: { msat: 1n, per: 1000n },
      output: { msat: 0n, per: 1n },
    })
    part.value?.({ usage: { prompt_tokens: 2000, prompt_tokens_details: { cached_tokens: 1000 } } })
    expect(part.cost()).toBe(2n)
  })

  it('is rounded up for each rate', () => {
    const rate = { msat: 1n, per: 1000n }
    const part = usagePart({ shape: 'anthropic', input: rate, output: rate, cachedInput: rate })
    part.value?.({
      usage: {
        input_tokens: 1,
        output_tokens: 1001,
        cache_read_input_tokens: 1,
        cache_creation_input_tokens: 2,
      },
    })
    expect(part.cost()).toBe(1n + 2n + 1n)
  })

  it('keeps what a later object leaves out or calls null', () => {
    const part = usagePart({ shape: 'anthropic', input, output, cachedInput })
    part.value?.({ message: { usage: { input_tokens: 3, output_tokens: 1 } } })
    part.value?.({ usage: { input_tokens: null, output_tokens: 2 } })
    part.value?.({ usage: {} })
    expect(part.cost()).toBe(3n + 2n * output.msat)
  })

  it.each([
    { prompt_tokens: -1 },
    { prompt_tokens: '12' },
    { prompt_tokens: [12] },
    { prompt_tokens: 1, completion_tokens: {} },
    { prompt_tokens: 1, completion_tokens: -0.5 },
    JSON.parse('{"prompt_tokens":1e400}'),
    { prompt_tokens: 2 ** 53 },
    { prompt_tokens: 1, completion_tokens: true },
    { prompt_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } },
    { prompt_tokens: 1, prompt_tokens_details: { cached_tokens: -2 } },
    'text',
    17,
    false,
  ])('is wrong where it says %o', (usage) => {
    const part = usagePart({ shape: 'openai', input, output, cachedInput })
    part.value?.({ usage })
    expect(part.cost()).toBe('wrong')
  })

  it('is wrong where it comes to more than there is', () => {
    const part = usagePart({ shape: 'openai', input: cachedInput, output })
    part.value?.({ usage: { prompt_tokens: 2 ** 53 - 1 } })
    expect(part.cost()).toBe('wrong')
  })
})
