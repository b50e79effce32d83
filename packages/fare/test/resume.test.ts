import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Buyer, newBuyer } from './support/fare.ts'
import { temporaryFolder } from './support/folder.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { type Behaviour, charging, type Received, type Seller, startSeller } from './support/seller.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

const first = randomBytes(200_000)
const second = randomBytes(150_000)
const HALF = 100_000

/** A resource that can change, served as RFC 9110 §14 says; `cut` breaks the next answer off in the middle. */
class Shelf {
  bytes = first
  etag = '"one"'
  cut = true
  readonly file = join(temporaryFolder(), 'film')

  readonly serve: Behaviour = ({ headers }, response) => {
    const asked = /^bytes=(\d+)-$/.exec(String(headers.range ?? ''))?.[1]
    const from = asked !== undefined && headers['if-range'] === this.etag ? Number(asked) : 0
    const total = this.bytes.length
    if (asked !== undefined && from >= total)
      return response.writeHead(416, { 'content-range': `bytes */${total}` }).end()
    response.setHeader('etag', this.etag)
    response.setHeader('content-length', total - from)
    if (from > 0) response.writeHead(206, { 'content-range': `bytes ${from}-${total - 1}/${total}` })
    if (!this.cut) return response.end(this.bytes.subarray(from))
    this.cut = false
    response.write(this.bytes.subarray(from, HALF))
    // What lies on the way when a connection breaks is lost: it breaks once something has arrived.
    const arrived = vi.waitFor(() => expect(statSync(this.file).size).toBeGreaterThan(0), { timeout: 20_000 })
    return arrived.finally(() => response.destroy())
  }
}

interface Begun {
  readonly buyer: Buyer
  readonly file: string
  readonly seller: Seller
}

/** Buys, and is cut off half way. */
async function begun(shelf: Shelf, serve: Behaviour = shelf.serve): Promise<Begun> {
  const seller = await startSeller(charging(gateway, serve))
  const buyer = newBuyer(gateway.admin)
  const { file } = shelf
  const ran = await buyer.fare('-o', file, `${seller.url}/film?key=secret`)
  expect(ran).toMatchObject({ code: 6, err: expect.stringContaining('the answer broke off') })
  expect(statSync(file).size).toBeGreaterThan(0)
  expect(statSync(`${file}.fare-part`).mode & 0o777).toBe(0o600)
  expect(readFileSync(`${file}.fare-part`, 'utf8')).not.toContain('secret')
  return { buyer, file, seller }
}

const goOn = ({ buyer, file, seller }: Begun, ...more: readonly string[]) =>
  buyer.fare('-C', '-', '-o', file, ...more, `${seller.url}/film?key=secret`)

const last = ({ seller }: Begun): Received | undefined => seller.received.at(-1)

describe('a download that broke off', () => {
  it('goes on where it ended, with what was paid for', async () => {
    const shelf = new Shelf()
    const run = await begun(shelf)
    const { size } = statSync(run.file)
    expect(await goOn(run)).toMatchObject({ code: 0, out: '', err: '' })
    expect(last(run)?.headers).toMatchObject({ range: `bytes=${size}-`, 'if-range': '"one"' })
    expect(readFileSync(run.file).equals(first)).toBe(true)
    expect(existsSync(`${run.file}.fare-part`)).toBe(false)
    expect(run.seller.kinds()).toEqual(['unpaid', 'paid', 'paid'])
    expect(await run.buyer.inPurse((purse) => purse.payments(9))).toHaveLength(1)
  })

  it('says in --json what was there already', async () => {
    const run = await begun(new Shelf())
    const { size } = statSync(run.file)
    expect(
      await run.buyer.report('--continue', '-o', run.file, `${run.seller.url}/film?key=secret`),
    ).toMatchObject({
      exitCode: 0,
      status: 206,
      resumedFrom: size,
      bodyBytes: first.length - size,
      outputFile: run.file,
      paid: false,
    })
  })

  it('begins anew where the resource has changed since', async () => {
    const shelf = new Shelf()
    const run = await begun(shelf)
    shelf.bytes = second
    shelf.etag = '"two"'
    expect(await goOn(run)).toMatchObject({ code: 0 })
    expect(last(run)?.headers['if-range']).toBe('"one"')
    expect(readFileSync(run.file).equals(second)).toBe(true)
  })

  it.each([
    ['the file is whole', first.length, true],
    ['the file is longer than the resource is by now', HALF - 1, false],
  ])('ends well with a 416, because %s', async (_, total, isWhole) => {
    const shelf = new Shelf()
    const run = await begun(shelf)
    if (isWhole) writeFileSync(run.file, first)
    else shelf.bytes = first.subarray(0, total)
    const file = readFileSync(run.file)
    if (!isWhole) truncateSync(run.file, Math.max(total + 1, file.length))
    expect(await goOn(run)).toMatchObject({ code: 0 })
    expect(readFileSync(run.file).equals(shelf.bytes)).toBe(true)
    expect(run.seller.kinds().filter((kind) => kind === 'unpaid')).toHaveLength(1)
    expect(await run.buyer.inPurse((purse) => purse.payments(9))).toMatchObject([{ served: 'redeemed' }])
  })

  it('comes in as many parts as the server likes, each of which was served', async () => {
    const shelf = new Shelf()
    const run = await begun(shelf, (received, response) => {
      const from = Number(/^bytes=(\d+)-$/.exec(String(received.headers.range ?? ''))?.[1] ?? 0)
      if (from === 0) return shelf.serve(received, response)
      const end = Math.min(from + 60_000, first.length)
      const headers = { 'content-range': `bytes ${from}-${end - 1}/${first.length}`, etag: shelf.etag }
      return response.writeHead(206, headers).end(first.subarray(from, end))
    })
    const served = () =>
      run.buyer.inPurse(async (purse) => (await purse.payments(9)).map((one) => one.served))
    expect(await served()).not.toEqual(['redeemed'])
    const part = await goOn(run)
    expect(part).toMatchObject({ code: 1, err: expect.stringContaining('-C - goes on') })
    expect(await served()).toEqual(['redeemed'])
    await expect.poll(async () => (await goOn(run)).code).toBe(0)
    expect(readFileSync(run.file).equals(first)).toBe(true)
    expect(await served()).toEqual(['redeemed'])
  })

  it.each([
    ['another place', { 'content-range': 'bytes 0-9/10', etag: '"one"' }],
    ['another version', { 'content-range': `bytes ${HALF}-199999/200000`, etag: '"two"' }],
    ['no place at all', { etag: '"one"' }],
  ])('is not mixed with a part of %s', async (_, headers) => {
    const shelf = new Shelf()
    const run = await begun(shelf, (received, response) => {
      if (received.headers.range === undefined) return shelf.serve(received, response)
      return response.writeHead(206, headers).end(Buffer.alloc(10))
    })
    const before = readFileSync(run.file)
    const ran = await goOn(run)
    expect(ran).toMatchObject({ code: 1, err: expect.stringContaining(`${run.file} is as it was`) })
    expect(readFileSync(run.file).equals(before)).toBe(true)
    // The next run asks for all of it.
    shelf.cut = false
    expect(await goOn(run)).toMatchObject({ code: 0 })
    expect(readFileSync(run.file).equals(first)).toBe(true)
  })

  it('is kept where the server refuses for now', async () => {
    const shelf = new Shelf()
    let isDown = false
    const run = await begun(shelf, (received, response) =>
      isDown ? response.writeHead(404).end('gone fishing') : shelf.serve(received, response),
    )
    isDown = true
    expect(await goOn(run)).toMatchObject({ code: 1, out: '', err: expect.stringContaining('answered 404') })
    isDown = false
    expect(await goOn(run)).toMatchObject({ code: 0 })
    expect(readFileSync(run.file).equals(first)).toBe(true)
  })

  it('begins anew where the server gave nothing to know it again by', async () => {
    const shelf = new Shelf()
    shelf.etag = 'W/"weak"'
    const seller = await startSeller(shelf.serve)
    const buyer = newBuyer(gateway.admin)
    const { file } = shelf
    await buyer.fare('-o', file, seller.url)
    expect(existsSync(`${file}.fare-part`)).toBe(false)
    expect(await buyer.fare('-C', '-', '-o', file, seller.url)).toMatchObject({ code: 0 })
    expect(seller.received.at(-1)?.headers.range).toBeUndefined()
    expect(readFileSync(file).equals(first)).toBe(true)
  })

  it.each([
    [['-C', '-'], 'needs the file'],
    [['-C', '100', '-o', 'x'], 'expected "-"'],
    [['-C', '-', '-o', 'x', '-d', 'a'], 'GET alone'],
    [['-C', '-', '-o', 'x', '--compressed'], '--compressed'],
    [['-C', '-', '-o', 'x', '-H', 'Range: bytes=0-1'], 'sets Range'],
  ])('is not gone on with by %j', async (flags, expected) => {
    const ran = await newBuyer(gateway.admin).fare(...flags, 'http://127.0.0.1:9/')
    expect(ran).toMatchObject({ code: 2, err: expect.stringContaining(expected) })
  })
})
