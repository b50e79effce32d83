/** Programs that are really run: one that works, on Lightning in memory, and some that do not. */

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeConformance } from '../../../test/support/conformance.ts'
import {
  payInMemory,
  type StubAnswer,
  type StubNode,
  type StubRequest,
  startStub,
} from '../../../test/support/stub-node.ts'
import { decodeHex, encodeHex } from '../../core/bytes.ts'
import { type MemoryLightning, memoryLightning } from '../memory.ts'
import { exec, execWallet } from './index.ts'

/** The wallet that the program asks: a process per call remembers nothing itself. */
async function api({ body }: StubRequest, lightning: MemoryLightning): Promise<StubAnswer> {
  const hash = decodeHex(String(body['paymentHash'] ?? '')) ?? new Uint8Array(32)
  const json = async (): Promise<unknown> => {
    switch (body['method']) {
      case 'create_invoice': {
        const { memo, expirySeconds } = body
        const amountMsat = BigInt(String(body['amountMsat']))
        const terms = { amountMsat, memo: String(memo), expirySeconds: Number(expirySeconds) }
        return { invoice: (await lightning.createInvoice(terms)).invoice }
      }
      case 'lookup_invoice': {
        const { amountMsat, ...more } = await lightning.invoiceDetails(hash)
        return { ...more, amountMsat: amountMsat === undefined ? undefined : String(amountMsat) }
      }
      case 'pay':
        return outcome(await payInMemory(lightning, String(body['invoice'])))
      case 'lookup_payment':
        return outcome(await lightning.lookupPayment(hash))
      case 'balance':
        return { balanceMsat: String(await lightning.balanceMsat()) }
      default:
        return { network: 'regtest', capsFees: true }
    }
  }
  return { status: 200, json: await json() }
}

const outcome = (one: object): object =>
  JSON.parse(
    JSON.stringify(one, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value instanceof Uint8Array ? encodeHex(value) : value,
    ),
  ) as object

describe('a program of the user', () => {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-exec-'))
  let stub: StubNode
  let program = ''
  const script = (name: string, code: string): string => {
    const file = join(folder, name)
    writeFileSync(file, `#!${process.execPath}\n${code}`)
    chmodSync(file, 0o755)
    return file
  }
  /** Answers `info`, and does this with anything else. */
  const answering = (name: string, code: string): string =>
    script(
      name,
      `const text = require('fs').readFileSync(0, 'utf8')
if (JSON.parse(text).method === 'info') { console.log('{"network":"regtest"}'); process.exit(0) }
${code}`,
    )
  beforeAll(async () => {
    stub = await startStub(api)
    program = script(
      'wallet.cjs',
      `const body = require('fs').readFileSync(0, 'utf8')
fetch('${stub.url}', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  .then((answer) => answer.text()).then((text) => console.log(text))`,
    )
  })
  afterAll(async () => {
    await stub.close()
    rmSync(folder, { recursive: true })
  })

  describeConformance('as a seller', async () => ({
    subject: 'invoices',
    invoices: await exec({ program }),
    payments: stub.lightning,
    open: { wrongNetwork: () => exec({ program, network: 'mainnet' }) },
    close: async () => {},
  }))

  describeConformance('as a wallet', async () => ({
    subject: 'payments',
    invoices: stub.lightning,
    payments: await execWallet({ program }),
    open: { wrongNetwork: () => execWallet({ program, network: 'mainnet' }) },
    atOnce: 3,
    close: async () => {},
  }))

  const order = { amountMsat: 5_000n, memo: 'x', expirySeconds: 600 }

  it('is not there, or no program', async () => {
    writeFileSync(join(folder, 'text'), 'x')
    await expect(exec({ program: join(folder, 'none') })).rejects.toThrow('it cannot be started (ENOENT)')
    await expect(exec({ program: join(folder, 'text') })).rejects.toThrow('it cannot be started (EACCES)')
    await expect(exec({ program: 'wallet.cjs' })).rejects.toThrow(TypeError)
  })

  it.each([
    ['ends with another code than 0', 'process.exit(3)', 'exit code 3', 'lightning_unavailable'],
    ['kills itself', "process.kill(process.pid, 'SIGTERM')", 'SIGTERM', 'lightning_unavailable'],
    ['answers nothing', '', 'expected one JSON object', 'lightning_invalid'],
    ['answers garbage', "console.log('<html>')", 'expected one JSON object', 'lightning_invalid'],
    ['answers a list', "console.log('[]')", 'expected one JSON object', 'lightning_invalid'],
    [
      'answers without end',
      "const more = () => process.stdout.write('x'.repeat(65536), more); more()",
      'bytes of output',
      'lightning_unavailable',
    ],
    ['answers never', 'setInterval(() => {}, 1000)', 'no answer within 1500 ms', 'lightning_unavailable'],
  ])(
    'makes no invoice where it %s',
    async (_, code, says, fault) => {
      const backend = await exec({ program: answering('bad.cjs', code), callTimeoutMs: 1_500 })
      const error = await backend.createInvoice(order).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: fault, message: expect.stringContaining(says) })
    },
    20_000,
  )

  it.each([
    ['ends with another code than 0', 'process.exit(3)'],
    ['answers garbage', "console.log('<html>')"],
    [
      'says paid, with another preimage',
      `console.log('{"status":"paid","feeMsat":"0","preimage":"${'0'.repeat(64)}"}')`,
    ],
  ])(
    'leaves a payment unknown where it %s, and is not asked to pay again',
    async (_, code) => {
      const log = join(folder, `calls-${crypto.randomUUID()}`)
      writeFileSync(log, '')
      const file = answering(
        'bad-wallet.cjs',
        `const { method } = JSON.parse(text)
if (method === 'lookup_payment') { console.log('{"status":"not_found"}'); process.exit(0) }
require('fs').appendFileSync(${JSON.stringify(log)}, 'x')
${code}`,
      )
      const wallet = await execWallet({ program: file })
      const created = await memoryLightning().createInvoice(order)
      const pay = () => wallet.pay({ ...created, maxFeeMsat: 0n, timeoutMs: 10_000 })
      expect(await pay()).toMatchObject({ status: 'unknown' })
      expect(await pay()).toMatchObject({ status: 'unknown' })
      expect(readFileSync(log, 'utf8')).toBe('x')
    },
    20_000,
  )

  it('gets none of the secrets in this environment', async () => {
    const tell = (name: string) =>
      answering(
        `${name}.cjs`,
        `console.log(JSON.stringify({ balanceMsat: process.env.${name} ? '1' : '0' }))`,
      )
    process.env['SECRET_OF_THE_OPERATOR'] = 'hush'
    try {
      const has = async (name: string) => await (await execWallet({ program: tell(name) })).balanceMsat()
      expect(await has('SECRET_OF_THE_OPERATOR')).toBe(0n)
      expect(await has('PATH')).toBe(1n)
    } finally {
      delete process.env['SECRET_OF_THE_OPERATOR']
    }
  })
})
