import { describe, expect, it } from 'vitest'
import { headerEdits } from './header-edits.ts'
import { KeptAnswer } from './kept-answer.ts'

describe('an answer that is kept', () => {
  it('has the header lines that the client got, without its length', () => {
    const kept = new KeptAnswer(100, headerEdits([['X-Served-By', 'gateway']], ['Server']))
    const raw = ['server', 'upstream', 'Content-Length', '2', 'X-Own', 'kept'].map((text) =>
      Buffer.from(text),
    )
    kept.head(200, raw)
    kept.body(Buffer.from('ok'))
    expect(kept.whole()).toEqual({
      status: 200,
      headers: ['X-Own', 'kept', 'X-Served-By', 'gateway'],
      body: Buffer.from('ok'),
    })
  })
})
