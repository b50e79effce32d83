/**
 * What a credential check costs beside what it cannot avoid, in this process, in one run.
 *   bare      base64 and hex to bytes, root key and HMAC chain, two SHA-256: the primitives alone
 *   full      header lines → parse → identifier → root key → chain → preimage → caveats read and satisfied
 *   one hash  SHA-256 of the header's text
 *   cached    the gate's whole decision on a credential it knows: header lines → verdict from the cache → revocation →
 *             caveats → pass
 */
import { createHmac, hash, randomBytes } from 'node:crypto'
import {
  attenuateMacaroon,
  clearCaveats,
  encodeIdentifier,
  encodeMacaroon,
  formatCredential,
  mintMacaroon,
  type ServicePolicy,
  summariseCaveats,
} from '@turnpike/l402'
import { createGate, deriveRootKey, keyRing } from '@turnpike/l402/server'
import { memoryStore } from '@turnpike/l402/store/memory'
import { memoryLightning } from '../packages/l402/src/lightning/memory.ts'
import { judgeHeaders } from '../packages/l402/src/server/verdict-cache.ts'
import { interleaved, median, printTable } from './lib/stats.ts'

const masterKey = randomBytes(32)
const preimage = randomBytes(32)
const identifier = encodeIdentifier({
  paymentHash: hash('sha256', preimage, 'buffer'),
  tokenId: randomBytes(32),
})
const minted = mintMacaroon({
  rootKey: deriveRootKey(masterKey, identifier),
  identifier,
  location: 'weather',
  caveats: ['services=weather:0', 'weather_capabilities=GET /forecast/*', 'weather_valid_until=4102444800'],
})
const macaroon = attenuateMacaroon(minted, ['weather_methods=GET'])
const header = formatCredential(Buffer.from(encodeMacaroon(macaroon)).toString('base64'), preimage)
const [base64, hex] = header.slice('L402 '.length).split(':') as [string, string]
const headers = ['Host', 'api.example', 'Accept', '*/*', 'Authorization', header]

const keys = keyRing([{ id: 'bench', masterKey, active: true }])
const policy: ServicePolicy = { service: 'weather', enforced: new Set(['max_calls']) }
const request = {
  method: 'GET',
  path: '/forecast/x',
  capability: 'GET /forecast/*',
  clientAddress: '127.0.0.1',
}
const caveats = macaroon.caveats.map(({ id }) => id)
const generator = Buffer.from('macaroons-key-generator')

const hmac = (key: Uint8Array, data: Uint8Array): Buffer => createHmac('sha256', key).update(data).digest()
const pseudorandomKey = hmac(new Uint8Array(32), masterKey)
const info = Buffer.concat([identifier, Uint8Array.of(1)])

function bare(): number {
  const bytes = Buffer.from(base64, 'base64')
  const secret = Buffer.from(hex, 'hex')
  let signature = hmac(hmac(generator, hmac(pseudorandomKey, info)), identifier)
  for (const caveat of caveats) signature = hmac(signature, caveat)
  return bytes.length + signature.length + hash('sha256', secret, 'buffer').length + oneHash()
}

function full(): number {
  return satisfied(judgeHeaders(headers, keys).credentials[0]?.verified)
}

function oneHash(): number {
  return hash('sha256', header, 'base64').length
}

const gate = createGate({
  lightning: memoryLightning(),
  ledger: memoryStore(),
  keys,
  services: { weather: {} },
})
const { method, path, clientAddress, capability } = request
const route = { service: 'weather', name: capability, free: false, priceMsat: 1000n, grants: {}, capability }

function cached(): number {
  const decision = gate.decide({ method, path, headers, clientAddress, route })
  if ('then' in decision || decision.outcome !== 'pass') throw new Error('the gate did not let it pass')
  return 1
}

function satisfied(verified: { caveats: Parameters<typeof summariseCaveats>[0] } | undefined): number {
  if (verified === undefined) throw new Error('the credential did not verify')
  const summary = summariseCaveats(verified.caveats, policy)
  if (!summary.ok) throw new Error(summary.detail)
  const outcome = clearCaveats(summary, { ...request, nowSeconds: Date.now() / 1000 })
  if (!outcome.ok) throw new Error(outcome.detail)
  return 1
}

// Each with as many runs as make a sample of some 100 ms: a collection of garbage must not decide about one.
const tasks = new Map<string, { run: () => number; iterations: number }>([
  ['bare', { run: bare, iterations: 10_000 }],
  ['full', { run: full, iterations: 10_000 }],
  ['one hash', { run: oneHash, iterations: 200_000 }],
  ['cached', { run: cached, iterations: 200_000 }],
])

function micros(name: string): number {
  const task = tasks.get(name)
  if (task === undefined) throw new Error(`no task ${name}`)
  const { run, iterations } = task
  let sum = 0
  const started = process.cpuUsage()
  for (let i = 0; i < iterations; i++) sum += run()
  const { user, system } = process.cpuUsage(started)
  if (sum < iterations) throw new Error(`${name} did nothing`)
  return (user + system) / iterations
}

const names = [...tasks.keys()]
for (const name of names) micros(name)
const results = await interleaved(names, 15, micros)
function ratio(top: string, bottom: string): string {
  const below = results.get(bottom) ?? []
  const each = (results.get(top) ?? []).map((value, i) => value / (below[i] ?? Number.NaN))
  return `${median(each).toFixed(2)}  [${Math.min(...each).toFixed(2)} – ${Math.max(...each).toFixed(2)}]`
}

console.log(
  `credential of ${header.length} characters, ${caveats.length} caveats; Node ${process.versions.node}\n`,
)
printTable(
  ['task', 'CPU µs (median of 15)'],
  names.map((name) => [name, median(results.get(name) ?? []).toFixed(2)]),
)
console.log(`\nfull / bare        ${ratio('full', 'bare')}   (reach: 2.0 or less)`)
console.log(`cached / one hash  ${ratio('cached', 'one hash')}   (reach: 2.0 or less)`)
