/** What a metered route charges: measured after the answer, in millisatoshi (protocol §5, charge models). */

/** A price per unit: `msat` for every `per` units, in proportion. A cost is rounded up to a whole msat (rule 6). */
export interface UnitRate {
  /** ≥ 0. */
  readonly msat: bigint
  /** ≥ 1; 1,000 for a price per thousand. */
  readonly per: bigint
}

/** Prices of the tokens that a language model's answer says it used. */
export interface UsageRates {
  /** Whose `usage` objects are read: those of OpenAI's chat completions and responses, or of Anthropic's messages. */
  readonly shape: 'openai' | 'anthropic'
  readonly input: UnitRate
  readonly output: UnitRate
  /** Input tokens that came from the model's cache; like `input` if left out. */
  readonly cachedInput?: UnitRate
}

/** The sum of its parts. */
export interface Charge {
  /** For each request; 0 for none. */
  readonly fixedMsat: bigint
  readonly requestByte?: UnitRate
  readonly responseByte?: UnitRate
  /** Per server-sent event of the answer, `[DONE]` not counted; an answer that is no event stream is one. */
  readonly event?: UnitRate
  /** Per second from the answer's first byte, which is its head's, to the last of its body. */
  readonly second?: UnitRate
  /** Units that a header line of the answer names: a decimal number. `name` in lower case. */
  readonly header?: { readonly name: string; readonly rate: UnitRate }
  /** Units in a field of the answer's JSON body, or of the last event of a stream that has it. */
  readonly json?: { readonly path: readonly string[]; readonly rate: UnitRate }
  readonly usage?: UsageRates
  /** The handler says the rest of the cost; the estimate is charged where it says none. */
  readonly byHandler?: true
  /** Reserved before the request goes to the resource, and charged where the cost cannot be measured; ≥ 1. */
  readonly estimateMsat: bigint
  /** What becomes of an answer that costs more than what is left: it is finished, the rest is lost; or it is cut off. */
  readonly whenEmpty: 'finish' | 'cut'
}
