import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'

it('several who find no file yet make one together, and nobody takes it for another program’s', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-new-'))
  const program = new URL('./opener.ts', import.meta.url)
  const openers = Array.from(
    { length: 5 },
    () => new Worker(program, { execArgv: ['--conditions=turnpike:source'] }),
  )
  try {
    for (let i = 0; i < 40; i++) {
      const answers = openers.map(async (opener) => {
        const answer = once(opener, 'message')
        opener.postMessage(join(folder, String(i)))
        return (await answer)[0] as string
      })
      expect(await Promise.all(answers)).toEqual(Array(5).fill('opened'))
    }
  } finally {
    await Promise.all(openers.map((opener) => opener.terminate()))
    rmSync(folder, { recursive: true })
  }
}, 60_000)
