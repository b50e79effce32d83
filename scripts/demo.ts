/**
 * `npm start`: one whole purchase on sandbox Lightning through the real gateway and the real `fare`, step by step; then it
 * keeps serving. With `--once` it stops after the last step and exits 0 only if every step came out as told.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import {
  attenuateMacaroon,
  decodeBase64,
  decodeInvoice,
  decodeMacaroon,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeMacaroon,
  findL402Challenges,
  formatAmount,
  formatCredential,
} from '@turnpike/l402'
import { sqlitePurse } from '@turnpike/l402/purse/sqlite'
import { failures, say, short, shortened, show, step, told } from './demo/console.ts'
import { fare, type Gateway, purseFolder, startGateway } from './demo/programs.ts'

const stopAfter = process.argv.includes('--once')

/** Sends a request and shows both heads. */
async function exchange(gateway: Gateway, path: string, authorization?: string): Promise<Response> {
  show('>', `GET ${path} HTTP/1.1`)
  if (authorization !== undefined) show('>', `Authorization: ${shortened(authorization)}`)
  const response = await fetch(gateway.url + path, {
    headers: authorization === undefined ? {} : { authorization },
  })
  show('<', `HTTP/1.1 ${response.status} ${response.statusText}`)
  const challenge = response.headers.get('www-authenticate')
  if (challenge !== null) show('<', `WWW-Authenticate: ${shortened(challenge)}`)
  return response
}

async function balances(gateway: Gateway): Promise<{ buyer: bigint; seller: bigint }> {
  const answer = await fetch(`${gateway.admin}/sandbox/v1/balance`)
  const { balanceMsat, sellerBalanceMsat } = (await answer.json()) as Record<string, string>
  return { buyer: BigInt(balanceMsat ?? 0), seller: BigInt(sellerBalanceMsat ?? 0) }
}

/** The credential that fare keeps for a path, as a macaroon text and preimage. */
async function boughtCredential(
  gateway: Gateway,
  path: string,
): Promise<{ macaroon: string; preimage: Uint8Array }> {
  const purse = sqlitePurse({ file: join(purseFolder(gateway), 'purse.db') })
  try {
    const found = (await purse.credentials()).find(({ boughtFor }) => boughtFor.includes(path))
    if (found === undefined) throw new Error(`fare keeps no credential for ${path}`)
    return found
  } finally {
    await purse.close()
  }
}

async function demonstrate(gateway: Gateway): Promise<void> {
  console.log(
    'Turnpike: a seller’s gateway and a buyer’s purse on sandbox Lightning. The money is play money;',
  )
  console.log('the invoices, payments, macaroons and HTTP are real. Secrets are shortened.')
  const before = await balances(gateway)

  step('A free path passes')
  const free = await exchange(gateway, '/health')
  show('<', await free.text())
  told('200 without a credential', free.status === 200)

  step('A paid path answers 402 with a macaroon and a Lightning invoice')
  const unpaid = await exchange(gateway, '/forecast/paris')
  const [challenge] = findL402Challenges([unpaid.headers.get('www-authenticate') ?? ''])
  told('402 with an L402 challenge', unpaid.status === 402 && challenge !== undefined)
  if (challenge === undefined) throw new Error('there is no challenge to go on with')

  step('What the challenge says')
  const invoice = decodeInvoice(challenge.invoice)
  const macaroon = decodeMacaroon(decodeBase64(challenge.macaroon) ?? new Uint8Array())
  say(
    `invoice   ${formatAmount(invoice.amountMsat ?? 0n)} on ${invoice.network}: ${invoice.description ?? ''}`,
  )
  say(`payee     ${short(encodeHex(invoice.payee))}`)
  say(`pays for  payment hash ${short(encodeHex(invoice.paymentHash))}`)
  say(`expires   ${new Date(invoice.expiresAt * 1000).toISOString()}`)
  for (const { id } of macaroon.caveats) say(`caveat    ${decodeUtf8(id)}`)
  const commits = encodeHex(macaroon.identifier.slice(2, 34)) === encodeHex(invoice.paymentHash)
  told('the macaroon commits to this invoice’s payment hash', commits)

  step('fare pays and gets the resource')
  show('$', `fare --sandbox get ${gateway.url}/forecast/paris`)
  const first = await fare(gateway, `${gateway.url}/forecast/paris`)
  show('<', first.body ?? '')
  say(`paid ${formatAmount(BigInt(first.spentMsat))} in ${first.durationMs} ms: 402, payment, 200`)
  told('200 for one payment', first.exitCode === 0 && first.status === 200 && first.paid)

  step('The second time costs nothing')
  show('$', `fare --sandbox get ${gateway.url}/forecast/paris`)
  const second = await fare(gateway, `${gateway.url}/forecast/paris`)
  say(`paid ${formatAmount(BigInt(second.spentMsat))} in ${second.durationMs} ms`)
  told('200 with the same credential, nothing paid', second.status === 200 && second.reused && !second.paid)
  const bought = await boughtCredential(gateway, '/forecast/paris')
  const startedAt = performance.now()
  const reused = await exchange(
    gateway,
    '/forecast/paris',
    formatCredential(bought.macaroon, bought.preimage),
  )
  await reused.text()
  say(`the request alone took ${(performance.now() - startedAt).toFixed(1)} ms`)
  told('200 from a plain HTTP client with that credential', reused.status === 200)

  step('A narrower copy, made without asking anybody, opens only what it says')
  const caveat = 'weather_paths=/forecast/paris'
  const narrow = attenuateMacaroon(decodeMacaroon(decodeBase64(bought.macaroon) ?? new Uint8Array()), [
    caveat,
  ])
  const narrowed = formatCredential(encodeBase64(encodeMacaroon(narrow)), bought.preimage)
  say(`added caveat ${caveat}`)
  const inside = await exchange(gateway, '/forecast/paris', narrowed)
  await inside.text()
  told('200 inside its limit', inside.status === 200)
  const outside = await exchange(gateway, '/forecast/oslo', narrowed)
  const refusal = (await outside.json()) as { code?: string; condition?: string }
  say(`refused: ${refusal.code} (${refusal.condition})`)
  told('402 outside of it', outside.status === 402 && refusal.code === 'caveat_failed')
  const whole = await exchange(gateway, '/forecast/oslo', formatCredential(bought.macaroon, bought.preimage))
  await whole.text()
  told('200 there with the whole credential', whole.status === 200)

  step('A bundle of three calls, used up')
  const query = ['-d', '{"city":"paris"}', '-H', 'content-type: application/json', `${gateway.url}/query`]
  show('$', `fare --sandbox get -d '{"city":"paris"}' ${gateway.url}/query      (three times)`)
  const calls = [await fare(gateway, ...query), await fare(gateway, ...query), await fare(gateway, ...query)]
  for (const [i, call] of calls.entries())
    say(`call ${i + 1}: ${call.status}, paid ${formatAmount(BigInt(call.spentMsat))}`)
  told(
    'three calls for one payment',
    calls.every(({ status }) => status === 200) && calls.filter(({ paid }) => paid).length === 1,
  )
  const fourth = await fare(gateway, '--no-pay', ...query)
  say(`call 4, not allowed to pay: ${fourth.status}, exit code ${fourth.exitCode}`)
  told('402 again: the bundle is exhausted', fourth.status === 402 && fourth.exitCode === 3)

  step('Where the money went')
  const after = await balances(gateway)
  say(`buyer   ${formatAmount(before.buyer)} → ${formatAmount(after.buyer)}`)
  say(`seller  ${formatAmount(before.seller)} → ${formatAmount(after.seller)}`)
  const spent = BigInt(first.spentMsat) + calls.reduce((sum, { spentMsat }) => sum + BigInt(spentMsat), 0n)
  told(
    `exactly ${formatAmount(spent)} went from buyer to seller`,
    before.buyer - after.buyer === spent && after.seller - before.seller === spent,
  )
}

const gateway = await startGateway(stopAfter)
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    gateway.stop().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143))
  })
try {
  await demonstrate(gateway)
} catch (error) {
  told(error instanceof Error ? error.message : String(error), false)
}
const wrong = failures()
console.log(
  wrong.length === 0 ? '\nEvery step came out as told.' : `\n${wrong.length} steps did not come out as told.`,
)
if (!stopAfter && wrong.length === 0) {
  const usualAdmin = gateway.admin === 'http://127.0.0.1:8403' ? '' : `FARE_SANDBOX_URL=${gateway.admin} `
  console.log(`\nThe gateway goes on serving at ${gateway.url}. In another terminal, try:\n`)
  console.log(`  curl -i ${gateway.url}/forecast/oslo`)
  console.log(`  ${usualAdmin}npx fare --sandbox get ${gateway.url}/forecast/oslo`)
  console.log('  npx fare payments')
  console.log('\nCtrl-C stops it.')
  await once(gateway.process, 'exit')
}
await gateway.stop()
process.exitCode = wrong.length === 0 ? 0 : 1
