import { describe, expect, it } from 'vitest'
import { incompatible, refusedWhole, unavailable } from './faults.ts'
import { readRedisUrl } from './target.ts'

const target = readRedisUrl('redis://seller:hunter2@books:6379/0')
const messageOf = (text: string): string => unavailable(target, new Error(text)).message

describe('the fault of a server', () => {
  it.each([
    [
      "READONLY You can't write against a read only replica.",
      /cannot be used: it is a read-only replica \(READONLY\)/,
    ],
    ["OOM command not allowed when used memory > 'maxmemory'.", /its memory is full \(maxmemory\) \(OOM\)/],
    ['LOADING Redis is loading the dataset in memory', /still reading its data after a start \(LOADING\)/],
    ['MISCONF Redis is configured to save RDB snapshots', /cannot write to its disk.*\(MISCONF\)/],
    ['connect ECONNREFUSED 127.0.0.1:6379', /redis:\/\/books:6379\/0 cannot be used: connect ECONNREFUSED/],
  ])('says what %j means', (text, message) => {
    expect(messageOf(text)).toMatch(message)
    const fault = unavailable(target, new Error(text))
    expect([fault.code, fault.cause]).toEqual(['store_unavailable', undefined])
  })

  it('holds no password, wherever the server or the driver has put it', () => {
    expect(
      messageOf("ERR unknown command 'AUTH', with args beginning with: 'seller' 'other-secret'"),
    ).toMatch(/unknown command 'AUTH'$/)
    expect(messageOf('bad url redis://seller:hunter2@books')).toMatch(/redis:\/\/seller:\*\*\*@books$/)
  })

  it('is known to have changed nothing only where the server refused the whole script', () => {
    expect(refusedWhole('OOM command not allowed')).toBe(true)
    expect(refusedWhole("ERR The user executing the script can't run this command")).toBe(false)
    expect(refusedWhole('connect ECONNREFUSED')).toBe(false)
  })
})

it('tells a newer version from an older one and from the keys of another program', () => {
  expect(incompatible(target, 'turnpike', '7', 1)).toMatchObject({
    code: 'store_incompatible',
    details: { version: 7, known: 1 },
    message: expect.stringMatching(/has version 7, this program knows up to 1: use the newer program/),
  })
  expect(incompatible(target, 'turnpike', '1', 2).message).toMatch(/has version 1.*start this program again/)
  expect(incompatible(target, 'turnpike', 'foreign', 1).message).toMatch(/keys of another program/)
})
