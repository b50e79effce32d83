/** An answer into the file of `-o` or `-O`, from where the file ends with `-C -`. */

import { fileSink, type Sink } from '../cli/output.ts'
import { forgetPart, notePart, type Part, restOf } from '../cli/part.ts'
import { type ProgressOptions, progressSink } from '../cli/progress-bar.ts'
import { deliver, type Given } from './deliver.ts'

/** Where to. */
export interface Saving {
  readonly file: string
  /** What was asked for. */
  readonly url: URL
  readonly method: string
  /** What was in the file already and is gone on with; `undefined` for all of it. */
  readonly part: Part | undefined
  /** Counts what is written. */
  readonly counter: Sink
  readonly head: boolean
  /** Draws on the terminal; `undefined` for no progress bar. */
  readonly draw: ProgressOptions['draw'] | undefined
}

/** How saving ended, and how much was there before. */
export interface Saved {
  readonly given: Given
  /** Bytes that were in the file and stayed; `null` where it was begun anew. */
  readonly resumedFrom: number | null
}

/** Writes the answer, or leaves the file as it is where the answer does not go on from its end. */
export async function save(answer: Response, saving: Saving): Promise<Saved> {
  const { file, part, url, method } = saving
  const rest = part && restOf(answer, part)
  if (rest && rest.kind !== 'rest' && rest.kind !== 'anew') {
    await answer.body?.cancel().catch(() => {})
    if (rest.kind === 'complete') {
      forgetPart(file)
      return { given: { kind: 'whole' }, resumedFrom: part.offset }
    }
    // A part that the server cannot go on with is of no use next time either; a refusal may be over by then.
    if (answer.status === 206 || rest.kind === 'outgrown') forgetPart(file)
    const why = rest.kind === 'useless' ? rest.why : 'the file is longer than what the server has'
    const cause = new Error(`${why}; ${file} is as it was`)
    return { given: { kind: 'unfit', cause, spoken: answer.status !== 206 }, resumedFrom: null }
  }
  const offset = rest?.kind === 'rest' ? part?.offset : undefined
  const given = await deliver(answer, {
    head: saving.head,
    sinks: async () => {
      // Never a note about bytes that are not there yet.
      if (offset === undefined) forgetPart(file)
      const sink = await fileSink(file, offset)
      if (offset === undefined && answer.status === 200 && method === 'GET')
        tryNote(file, url, answer.headers)
      return [saving.counter, drawn(sink, saving, { answer, from: offset ?? 0 })]
    },
  })
  if (given.kind !== 'whole') return { given, resumedFrom: offset ?? null }
  if (rest?.kind === 'rest' && !rest.whole) {
    const cause = new Error('the server sent no more of it at once; -C - goes on')
    return { given: { kind: 'cut', cause, spoken: true }, resumedFrom: offset ?? null }
  }
  forgetPart(file)
  return { given, resumedFrom: offset ?? null }
}

function tryNote(file: string, url: URL, headers: Headers): void {
  try {
    notePart(file, url, headers)
  } catch {
    // A folder that takes no new file: then -C - begins anew.
  }
}

function drawn(
  sink: Sink,
  { draw }: Saving,
  { answer, from }: { readonly answer: Response; readonly from: number },
): Sink {
  if (draw === undefined) return sink
  const length = answer.headers.get('content-length')
  const total = length !== null && /^[0-9]{1,15}$/.test(length) ? from + Number(length) : null
  return progressSink(sink, { draw, from, total })
}
