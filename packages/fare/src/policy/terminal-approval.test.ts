import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { PURCHASE } from '../../test/support/purchase.ts'
import { askOn } from './terminal-approval.ts'

function ask(signal = new AbortController().signal) {
  const input = new PassThrough()
  const output = new PassThrough()
  const decided = askOn({ input, output }, { ...PURCHASE, description: 'one\u001b[2J forecast' }, { signal })
  return { input, shown: () => String(output.read()), decided }
}

describe('the person at the terminal', () => {
  it('sees the purchase, harmlessly, and approves by typing yes', async () => {
    const { input, shown, decided } = ask()
    input.write('yes\n')
    expect(await decided).toBe('approved')
    const text = shown()
    for (const part of ['GET https://api.example.com/forecast', '10 sat', '02'.repeat(33), 'far above 1 sat'])
      expect(text).toContain(part)
    expect(text).not.toContain('\u001b')
  })

  it.each(['y', 'no', '', 'yes please'])('denies by typing "%s"', async (typed) => {
    const { input, decided } = ask()
    input.write(`${typed}\n`)
    expect(await decided).toBe('denied')
  })

  it('denies when the terminal goes away, or at the deadline', async () => {
    const gone = ask()
    gone.input.end()
    expect(await gone.decided).toBe('denied')
    const over = new AbortController()
    const late = ask(over.signal)
    over.abort()
    expect(await late.decided).toBe('denied')
  })
})
