import type { Sink } from './output.ts'

/** Redrawn this often at most. */
const EVERY_MS = 100
const BAR = 24

/** What a {@link progressSink} draws on. */
export interface ProgressOptions {
  /** Writes to the terminal as it is. */
  readonly draw: (text: string) => void
  /** Bytes that were there before. */
  readonly from: number
  /** Bytes of all of it; `null` where the server did not say. */
  readonly total: number | null
  readonly now?: () => number
}

/** A sink that shows on a terminal how far it has come, and leaves the line empty at the end. */
export function progressSink(sink: Sink, options: ProgressOptions): Sink {
  const { draw, from, total, now = () => performance.now() } = options
  const startedAt = now()
  let bytes = from
  let drawnAt = Number.NEGATIVE_INFINITY
  return {
    async write(chunk) {
      bytes += chunk.length
      const at = now()
      if (at - drawnAt >= EVERY_MS) {
        drawnAt = at
        draw(
          `\r\x1b[K${progressLine({ bytes, total, perSecond: ((bytes - from) * 1000) / (at - startedAt) })}`,
        )
      }
      return await sink.write(chunk)
    },
    async close() {
      draw('\r\x1b[K')
      await sink.close()
    },
  }
}

/** ` 42 % [==========>             ] 4.2 MiB of 10.0 MiB, 1.3 MiB/s, 5 s left`. */
export function progressLine(about: {
  readonly bytes: number
  readonly total: number | null
  readonly perSecond: number
}): string {
  const { bytes, total, perSecond } = about
  const known = Number.isFinite(perSecond) && perSecond > 0
  const rate = known ? `, ${sizeText(perSecond)}/s` : ''
  if (total === null || total < bytes) return `${sizeText(bytes)}${rate}`
  const part = total === 0 ? 1 : bytes / total
  const filled = Math.floor(part * BAR)
  const bar = `${'='.repeat(filled)}${filled < BAR ? '>' : ''}`.padEnd(BAR)
  const left = known ? `, ${Math.ceil((total - bytes) / perSecond)} s left` : ''
  const percent = `${Math.floor(part * 100)}`.padStart(3)
  return `${percent} % [${bar}] ${sizeText(bytes)} of ${sizeText(total)}${rate}${left}`
}

function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
