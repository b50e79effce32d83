import type { BatchCall, BooksCall, Call, ClaimCall, OnceCall, WindowCall } from './operations.ts'

/** Calls that share a statement, or one that has its own. */
export type Group =
  | { readonly kind: 'batch'; readonly calls: readonly BatchCall[] }
  | { readonly kind: 'windows'; readonly calls: readonly WindowCall[] }
  | { readonly kind: 'once'; readonly calls: readonly OnceCall[] }
  | { readonly kind: 'claim'; readonly calls: readonly ClaimCall[] }
  | { readonly kind: 'books'; readonly calls: readonly BooksCall[] }

type Kind = Group['kind']

/** Most calls, and most uses of counters or windows, that share a statement. */
const MOST_CALLS = 512
const MOST_USES = 4_096

const KINDS: Readonly<Record<Call['do'], Kind>> = {
  reserve: 'batch',
  credit: 'batch',
  serve: 'batch',
  draw: 'batch',
  commit: 'batch',
  release: 'batch',
  ping: 'batch',
  nothing: 'batch',
  read: 'books',
  revoke: 'books',
  prune: 'books',
  pace: 'windows',
  unpace: 'windows',
  once: 'once',
  claim: 'claim',
  serveClaim: 'claim',
  answer: 'claim',
  unclaim: 'claim',
}

/** Calls in the order in which they were asked, given out in groups. */
export class CallQueue {
  #calls: Call[] = []

  get length(): number {
    return this.#calls.length
  }

  push(call: Call): void {
    this.#calls.push(call)
  }

  /**
   * The first call, and others of its kind. They are in their order, and overtake nothing that they could have to do
   * with: windows, marks and claims know nothing of counters, nor of each other.
   */
  take(): Group | undefined {
    const [first] = this.#calls
    if (first === undefined) return undefined
    const kind = KINDS[first.do]
    const most = kind === 'batch' || kind === 'windows' || kind === 'once' ? MOST_CALLS : 1
    const calls: Call[] = []
    const overtaken: Call[] = []
    let uses = 0
    let at = 0
    for (; at < this.#calls.length && calls.length < most && uses < MOST_USES; at++) {
      const call = this.#calls[at]
      if (call === undefined) break
      const other = KINDS[call.do]
      if (other === kind) {
        calls.push(call)
        uses += usesIn(call)
      } else if (isOfBooks(other) && isOfBooks(kind)) break
      else overtaken.push(call)
    }
    this.#calls = [...overtaken, ...this.#calls.slice(at)]
    return { kind, calls } as Group
  }
}

/** What reads or writes counters and revocations. */
function isOfBooks(kind: Kind): boolean {
  return kind === 'batch' || kind === 'books'
}

function usesIn(call: Call): number {
  if (call.do === 'reserve') return call.uses.length
  return call.do === 'pace' || call.do === 'unpace' ? call.rates.length : 1
}
