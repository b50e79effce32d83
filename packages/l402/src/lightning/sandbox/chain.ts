/**
 * A simulated chain: block headers that follow one another, and whatever the nodes broadcast confirmed in the
 * next of them. Nobody checks proof of work or where coins come from. LDK in WASM has no clock: the newest
 * header's time is its "now", so a header is fed whenever the second has changed and time is about to matter.
 */

import { encodeHex } from '../../core/bytes.ts'
import { sha256 } from '../../core/hash.ts'
import type { TransactionCoder } from './runtime.ts'

/** What a node wants to hear of new blocks. */
export interface ChainListener {
  blockMined(block: Block): void
}

export interface Block {
  /** 80 bytes. */
  readonly header: Uint8Array
  readonly height: number
  readonly transactions: readonly Uint8Array[]
}

const VERSION = 0x20000000
/** The easiest target there is. */
const REGTEST_BITS = 0x207fffff

export class SimulatedChain {
  readonly #listeners: ChainListener[] = []
  readonly #coder: TransactionCoder
  readonly #confirmed = new Set<string>()
  readonly #mempool = new Map<string, Uint8Array>()
  #height: number
  #tip: Uint8Array
  #seconds = 0

  constructor(genesis: { height: number; hash: Uint8Array }, coder: TransactionCoder) {
    this.#height = genesis.height
    this.#tip = genesis.hash
    this.#coder = coder
  }

  listen(listener: ChainListener): void {
    this.#listeners.push(listener)
  }

  /** Takes a raw transaction for the next block. Safe inside LDK's callbacks: it only records. */
  broadcast(transaction: Uint8Array): void {
    const id = encodeHex(this.#txid(transaction))
    if (!this.#confirmed.has(id)) this.#mempool.set(id, transaction)
  }

  get mempoolSize(): number {
    return this.#mempool.size
  }

  /** Mines an empty or full block if the clock has moved on since the last one. */
  advanceTo(seconds: number): void {
    if (seconds > this.#seconds) this.mine(seconds)
  }

  /** Mines a block at this unix time (never earlier than the last one's) with all that was broadcast. */
  mine(seconds: number): void {
    this.#seconds = Math.max(this.#seconds, seconds)
    const transactions = [...this.#mempool.values()]
    for (const id of this.#mempool.keys()) this.#confirmed.add(id)
    this.#mempool.clear()
    this.#height++
    const header = this.#header()
    this.#tip = sha256(sha256(header))
    for (const listener of this.#listeners) {
      listener.blockMined({ header, height: this.#height, transactions })
    }
  }

  /** The merkle root stays zero, as nobody looks; the height as nonce keeps headers apart. */
  #header(): Uint8Array {
    const header = new Uint8Array(80)
    const view = new DataView(header.buffer)
    view.setUint32(0, VERSION, true)
    header.set(this.#tip, 4)
    view.setUint32(68, this.#seconds, true)
    view.setUint32(72, REGTEST_BITS, true)
    view.setUint32(76, this.#height, true)
    return header
  }

  /** BIP 144: the transaction id leaves the witnesses out. */
  #txid(transaction: Uint8Array): Uint8Array {
    const decoded = this.#coder.decode(transaction)
    const stripped = { ...decoded, segwitFlag: false, witnesses: undefined }
    return sha256(sha256(this.#coder.encode(stripped)))
  }
}
