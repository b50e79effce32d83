// What must hold on every runtime. Written for no runner and no platform: no `node:` module, only what fetch, Web Crypto
// and the language give; it runs against the built library.
import {
  attenuateMacaroon,
  decodeBase64,
  decodeHex,
  decodeIdentifier,
  decodeInvoice,
  decodeMacaroon,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeMacaroon,
  isL402Error,
  mintMacaroon,
  verifyChain,
} from '@turnpike/l402'
import { memoryPurse } from '@turnpike/l402/purse/memory'
import { purchases } from './purchases.mjs'

/** The cases by name. */
function cases({ macaroons, goMacaroons, invoices }, purses) {
  return {
    'macaroons of the vectors: bytes, identifier, chain': () => {
      for (const vector of macaroons.macaroons) readsVector(vector)
      equal(macaroons.macaroons.length > 0, true, 'there are vectors')
    },
    'macaroons of gopkg.in/macaroon.v2: v1 and v2 bytes, keys of any length': () => {
      for (const { name, rootKey, v1, v2, signature } of goMacaroons.macaroons) {
        for (const bytes of [v1, v2].filter((hex) => hex !== undefined)) {
          const macaroon = decodeMacaroon(decodeHex(bytes))
          equal(
            verifyChain(decodeHex(rootKey), macaroon)?.map(encodeHex).at(-1),
            signature,
            `${name}: signature`,
          )
          if (v2 !== undefined) equal(encodeHex(encodeMacaroon(macaroon)), v2, `${name}: written as v2`)
        }
      }
      equal(goMacaroons.macaroons.length > 0, true, 'there are vectors')
    },
    'narrowing needs no key, and widening does not verify': () => {
      const rootKey = new Uint8Array(32).fill(7)
      const identifier = new Uint8Array(66).fill(9)
      const whole = mintMacaroon({ rootKey, identifier, caveats: ['services=a:0'] })
      const narrow = attenuateMacaroon(whole, ['a_max_calls=1'])
      equal(verifyChain(rootKey, narrow)?.length, 3, 'signatures of the narrow copy')
      equal(verifyChain(rootKey, { ...narrow, caveats: whole.caveats }), undefined, 'the caveat taken away')
    },
    'invoices of BOLT 11: the valid ones': () => {
      for (const { name, invoice, expected } of invoices.valid) {
        const decoded = decodeInvoice(invoice)
        equal(decoded.network, expected.network, `${name}: network`)
        equal(decoded.amountMsat?.toString() ?? null, expected.amountMsat, `${name}: amount`)
        equal(encodeHex(decoded.paymentHash), expected.paymentHash, `${name}: payment hash`)
        equal(encodeHex(decoded.payee), expected.payee, `${name}: payee`)
        equal(decoded.description, expected.description, `${name}: description`)
      }
    },
    'invoices of BOLT 11: the invalid ones': () => {
      for (const { name, invoice } of invoices.invalid)
        equal(
          codeThrown(() => decodeInvoice(invoice)),
          'malformed',
          name,
        )
    },
    ...purchases(equal, purses),
  }
}

async function memoryStore() {
  const purse = memoryPurse()
  return () => purse
}

function readsVector({
  name,
  rootKey,
  identifier,
  paymentHash,
  tokenId,
  location,
  caveats,
  signatures,
  binary,
  base64,
}) {
  const bytes = decodeHex(binary)
  const macaroon = decodeMacaroon(bytes)
  equal(macaroon.location, location, `${name}: location`)
  equal(encodeHex(macaroon.identifier), identifier, `${name}: identifier`)
  equal(macaroon.caveats.map(({ id }) => decodeUtf8(id)).join('\n'), caveats.join('\n'), `${name}: caveats`)
  const parts = decodeIdentifier(macaroon.identifier)
  equal(encodeHex(parts.paymentHash), paymentHash, `${name}: payment hash`)
  equal(encodeHex(parts.tokenId), tokenId, `${name}: token id`)
  equal(encodeHex(encodeMacaroon(macaroon)), binary, `${name}: written again`)
  equal(encodeBase64(bytes), base64, `${name}: base64`)
  equal(encodeHex(decodeBase64(base64)), binary, `${name}: from base64`)
  const key = decodeHex(rootKey)
  equal(verifyChain(key, macaroon)?.map(encodeHex).join(), signatures.join(), `${name}: chain`)
  const minted = mintMacaroon({ rootKey: key, identifier: decodeHex(identifier), location, caveats })
  equal(encodeHex(encodeMacaroon(minted)), binary, `${name}: minted`)
  const otherKey = Uint8Array.from(key, (byte, i) => (i === 0 ? byte ^ 1 : byte))
  equal(verifyChain(otherKey, macaroon), undefined, `${name}: another key`)
}

function codeThrown(task) {
  try {
    task()
  } catch (error) {
    return isL402Error(error) ? error.code : String(error)
  }
  return 'nothing'
}

function equal(got, expected, what) {
  if (got === expected) return
  const shown = (value) => String(value).slice(0, 80)
  throw new Error(`${what}: expected ${shown(expected)}, got ${shown(got)}`)
}

/**
 * Runs every case; answers how many passed, and what was wrong with the others. Never throws. `vectors` are the files of
 * `vectors/`, `purses` the stores of the runtime beside the one in memory.
 */
export async function runSuite(vectors, purses = {}) {
  const failures = []
  let passed = 0
  for (const [name, run] of Object.entries(cases(vectors, { memory: memoryStore, ...purses }))) {
    try {
      await run()
      passed++
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
  }
  return { passed, failures }
}
