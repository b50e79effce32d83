import { describe, expect, it } from 'vitest'
import { readForwarded } from './forwarded.ts'

const LINES = {
  'X-Forwarded-Method': 'POST',
  'X-Forwarded-Uri': '/query?a=1',
  'X-Forwarded-Host': 'API.example.com',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-For': '192.0.2.1',
}
const read = (lines: Readonly<Record<string, string>>, ...more: string[]) =>
  readForwarded(
    [...Object.entries({ ...LINES, ...lines }).flat(), ...more].filter((_, i, all) => all[i | 1] !== '-'),
  )

describe('what a proxy says of a request', () => {
  it('is read from X-Forwarded-…, and the rest are the client’s own lines', () => {
    expect(
      read({
        Accept: 'text/plain',
        Authorization: 'L402 a:b',
        Connection: 'close',
        'X-L402-Service': 'forged',
      }),
    ).toEqual({
      method: 'POST',
      target: '/query?a=1',
      host: 'api.example.com',
      scheme: 'https',
      peer: '192.0.2.1',
      forwardedFor: '',
      bodyLength: undefined,
      lines: ['Accept', 'text/plain', 'Authorization', 'L402 a:b'],
    })
  })

  it('may be said by X-Original-Method and -URI instead, or besides in the same words', () => {
    const original = { 'X-Original-Method': 'POST', 'X-Original-URI': '/query?a=1' }
    expect(read({ 'X-Forwarded-Method': '-', 'X-Forwarded-Uri': '-', ...original })).toMatchObject({
      method: 'POST',
      target: '/query?a=1',
    })
    expect(read(original)).toMatchObject({ method: 'POST' })
  })

  it('the last hop is who the proxy’s connection is with', () => {
    expect(read({ 'X-Forwarded-For': '198.51.100.7, 10.0.0.1' })).toMatchObject({
      peer: '10.0.0.1',
      forwardedFor: '198.51.100.7',
    })
    expect(read({}, 'X-Forwarded-For', '2001:DB8::1')).toMatchObject({
      peer: '2001:db8::1',
      forwardedFor: '192.0.2.1',
    })
  })

  it('the length of the body is read where it is said', () => {
    expect(read({ 'X-Original-Content-Length': '12' })).toMatchObject({ bodyLength: 12 })
    expect(read({ 'X-Original-Content-Length': '' })).toMatchObject({ bodyLength: undefined })
  })

  it.each([
    [{ 'X-Forwarded-Method': '-' }, []],
    [{ 'X-Forwarded-Uri': '-' }, []],
    [{ 'X-Forwarded-Method': '-', 'X-Forwarded-Uri': '-' }, []],
    [{ 'X-Forwarded-Host': '-' }, []],
    [{ 'X-Forwarded-Proto': 'ftp' }, []],
    [{ 'X-Forwarded-For': '-' }, []],
    [{ 'X-Forwarded-For': '192.0.2.1, unknown' }, []],
    [{ 'X-Forwarded-Method': 'G E T' }, []],
    [{ 'X-Original-URI': '/query?a=1' }, []],
    [{ 'X-Original-Method': 'POST', 'X-Original-URI': '/free' }, []],
    [{ 'X-Original-Method': 'GET', 'X-Original-URI': '/query?a=1' }, []],
    [{ 'X-Original-Content-Length': '-1' }, []],
    [{}, ['X-Forwarded-Uri', '/free']],
    [{}, ['X_Forwarded_Uri', '/free']],
    [{}, ['x-forwarded-method', 'GET']],
    [{}, ['X-Forwarded-Host', 'other.example']],
    [{}, ['X-Forwarded-Proto', 'http']],
    [{ 'X-Original-Method': 'POST', 'X-Original-URI': '/query?a=1' }, ['X-Original-URI', '/free']],
  ] as const)('is not believed where it is incomplete or says two things: %j %j', (lines, more) => {
    expect(read(lines, ...more)).toEqual({ detail: expect.stringMatching(/^(expected|X-Forwarded)/) })
  })
})
