/** Answers in the shapes that the providers' public documentation gives them, shortened. */

/** Server-sent events of JSON values, each named by its `type` where it has one. */
function events(values: readonly (object | string)[]): string {
  return values
    .map((value) => {
      const name = typeof value === 'object' && 'type' in value ? `event: ${value.type}\n` : ''
      return `${name}data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`
    })
    .join('')
}

export const OPENAI_CHAT: string = JSON.stringify(
  {
    id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
    object: 'chat.completion',
    created: 1741569952,
    model: 'gpt-4.1-2025-04-14',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'Guten Tag! Was möchten Sie wissen? 😀',
          refusal: null,
          annotations: [],
        },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: {
      prompt_tokens: 2006,
      completion_tokens: 300,
      total_tokens: 2306,
      prompt_tokens_details: { cached_tokens: 1920, audio_tokens: 0 },
      completion_tokens_details: {
        reasoning_tokens: 0,
        audio_tokens: 0,
        accepted_prediction_tokens: 0,
        rejected_prediction_tokens: 0,
      },
    },
    service_tier: 'default',
  },
  null,
  2,
)

const chunk = (choices: readonly object[], usage: object | null) => ({
  id: 'chatcmpl-123',
  object: 'chat.completion.chunk',
  created: 1694268190,
  model: 'gpt-4o-mini',
  system_fingerprint: 'fp_44709d6fcb',
  choices,
  usage,
})
const delta = (value: object, finish_reason: string | null = null) => [
  { index: 0, delta: value, logprobs: null, finish_reason },
]

/** As with `stream_options: {"include_usage": true}`. */
export const OPENAI_CHAT_STREAM: string = events([
  chunk(delta({ role: 'assistant', content: '' }), null),
  chunk(delta({ content: 'Grüß ' }), null),
  chunk(delta({ content: 'Gott 😀' }), null),
  chunk(delta({}, 'stop'), null),
  chunk([], {
    prompt_tokens: 19,
    completion_tokens: 10,
    total_tokens: 29,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  }),
  '[DONE]',
])

/** As without it: nothing says what was used. */
export const OPENAI_CHAT_STREAM_WITHOUT_USAGE: string = events([
  chunk(delta({ role: 'assistant', content: '' }), null),
  chunk(delta({ content: 'Hello' }), null),
  chunk(delta({}, 'stop'), null),
  '[DONE]',
])

export const OPENAI_EMBEDDINGS: string = JSON.stringify({
  object: 'list',
  data: [{ object: 'embedding', embedding: [0.0023064255, -0.009327292], index: 0 }],
  model: 'text-embedding-3-small',
  usage: { prompt_tokens: 8, total_tokens: 8 },
})

const response = (status: string, usage: object | null) => ({
  id: 'resp_67ccd3a9da748190baa7f1570fe91ac604becb25c45c1d41',
  object: 'response',
  created_at: 1741476777,
  status,
  error: null,
  incomplete_details: null,
  instructions: null,
  model: 'gpt-4o-2024-08-06',
  output:
    usage === null
      ? []
      : [
          {
            type: 'message',
            id: 'msg_67ccd3acc8d48190a77525dc6de64b4104becb25c45c1d41',
            status: 'completed',
            role: 'assistant',
            content: [
              { type: 'output_text', text: 'A path of boards leads through tall grass.', annotations: [] },
            ],
          },
        ],
  parallel_tool_calls: true,
  usage,
  metadata: {},
})
const responseUsage = {
  input_tokens: 328,
  input_tokens_details: { cached_tokens: 128 },
  output_tokens: 52,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 380,
}

export const OPENAI_RESPONSE: string = JSON.stringify(response('completed', responseUsage))

const item = {
  item_id: 'msg_67c9fdcf37fc8190ba82116e33fb28c50b8b0d29d2bd0d27',
  output_index: 0,
  content_index: 0,
}

export const OPENAI_RESPONSE_STREAM: string = events([
  { type: 'response.created', sequence_number: 0, response: response('in_progress', null) },
  { type: 'response.in_progress', sequence_number: 1, response: response('in_progress', null) },
  { type: 'response.output_text.delta', sequence_number: 2, ...item, delta: 'A path ' },
  { type: 'response.output_text.done', sequence_number: 3, ...item, text: 'A path of boards' },
  { type: 'response.completed', sequence_number: 4, response: response('completed', responseUsage) },
])

export const ANTHROPIC_MESSAGE: string = JSON.stringify({
  id: 'msg_013Zva2CMHLNnXjNJJKqJ2EF',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-20250514',
  content: [{ type: 'text', text: "Hi! My name's Claude." }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: {
    input_tokens: 50,
    cache_creation_input_tokens: 248,
    cache_read_input_tokens: 1800,
    cache_creation: { ephemeral_5m_input_tokens: 248, ephemeral_1h_input_tokens: 0 },
    output_tokens: 503,
    service_tier: 'standard',
  },
})

/** As it is where nothing is cached. */
const anthropicStart = {
  type: 'message_start',
  message: {
    id: 'msg_4QpJur2dWWDjF6C758FbBw5vm12BaVipnK',
    type: 'message',
    role: 'assistant',
    content: [],
    model: 'claude-sonnet-4-20250514',
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: 472,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 100,
      output_tokens: 2,
    },
  },
}
const anthropicText = [
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'ping' },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Okay, ç' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'a va.' } },
]

/** Totals of the output only, as it is where no tool of the server was used. */
export const ANTHROPIC_STREAM: string = events([
  anthropicStart,
  ...anthropicText,
  { type: 'content_block_stop', index: 0 },
  {
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 89 },
  },
  { type: 'message_stop' },
])

/** Totals of all, which are more than the beginning said: a tool of the server was used. */
export const ANTHROPIC_STREAM_WITH_TOOL: string = events([
  anthropicStart,
  ...anthropicText,
  { type: 'content_block_stop', index: 0 },
  {
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: {
      input_tokens: 10682,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 100,
      output_tokens: 510,
      server_tool_use: { web_search_requests: 1 },
    },
  },
  { type: 'message_stop' },
])

/** As it is where the connection breaks in the middle of the text. */
export const ANTHROPIC_STREAM_BROKEN_OFF: string = events([anthropicStart, ...anthropicText])
