import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { setLines } from './node-lines.ts'

it('keeps every challenge in a line of its own, and takes the place of what was said before (S3)', () => {
  const res = new ServerResponse(new IncomingMessage(new Socket()))
  res.setHeader('WWW-Authenticate', 'Basic')
  res.setHeader('Set-Cookie', 'a=1')
  setLines(res, [
    ...['WWW-Authenticate', 'L402 a="b"', 'WWW-Authenticate', 'LSAT a="b"'],
    ...['Set-Cookie', 'b=2', 'Set-Cookie', 'c=3', 'Cache-Control', 'no-store'],
  ])
  expect(res.getHeader('www-authenticate')).toEqual(['L402 a="b"', 'LSAT a="b"'])
  expect(res.getHeader('set-cookie')).toEqual(['a=1', 'b=2', 'c=3'])
  expect(res.getHeader('cache-control')).toBe('no-store')
})
