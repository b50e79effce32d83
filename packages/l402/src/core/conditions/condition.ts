/** What every caveat condition is made of: a strict parser, and what it means to narrow (protocol §5). */
export interface Condition<Value> {
  /** What a value looks like; completes "expected …". */
  readonly expected: string
  /** The value's meaning; `undefined` for anything but its one grammar. */
  parse(value: string): Value | undefined
  /** Whether a later occurrence admits nothing that the earlier one does not. */
  narrows(later: Value, earlier: Value): boolean
}

/** A condition that one fact of the request decides. */
export interface RequestCondition<Value> extends Condition<Value> {
  /** One sentence for a person whose request is not admitted. */
  readonly denied: string
  /** Whether the request's fact satisfies the value. Pure, and without allocation. */
  admits(value: Value, presented: string): boolean
}
