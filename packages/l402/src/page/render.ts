import type { Grants } from '../server/gate.ts'
import type { PageWords } from './options.ts'
import { invoiceSvg } from './qr-svg.ts'
import { SCRIPT } from './script.ts'
import { STYLE } from './style.ts'
import { fill, type PageText } from './text.ts'

/** What a page shows. Texts are plain: they are escaped here. */
export interface PageFacts {
  readonly title: string
  readonly brand: string | undefined
  readonly invoice: string
  /** Lower-case hex. */
  readonly paymentHash: string
  readonly amountMsat: bigint
  /** Unix seconds. */
  readonly expiresAt: number
  readonly grants: Grants
  /** What is to be said first. */
  readonly notice: string | undefined
  /** See pending.ts; for the form. */
  readonly pending: string
  /** Where the form goes that needs no script; `undefined`: there is none. */
  readonly formAction: string | undefined
  /** Path and query of the resource, for the form. */
  readonly target: string
}

/** The words that the script says, by the name of their `data-` attribute. */
const SAID: readonly (keyof PageText)[] = [
  'waiting',
  'paid',
  'copied',
  'expired',
  'notChecked',
  'needsPreimage',
  'wrongPreimage',
]

/** The whole page, some 13 KiB; under 30 with an invoice of 1,400 characters, under 70 with any. */
export function renderPage(facts: PageFacts, { language, text }: PageWords): string {
  const { invoice, notice, brand } = facts
  const words = Object.fromEntries(
    Object.entries(text).map(([name, word]) => [name, escapeHtml(word as string)]),
  ) as Record<keyof PageText, string>
  const title = escapeHtml(facts.title)
  const sats = (msat: bigint): string => satsText(msat, language)
  const qr = invoiceSvg(invoice, words.qr)
  const said = SAID.map((name) => `data-${kebab(name)}="${words[name]}"`).join(' ')
  const form =
    facts.formAction === undefined
      ? 'method="dialog"'
      : `method="post" action="${escapeHtml(facts.formAction)}"`
  return `<!doctype html>
<html lang="${language}" dir="${directionOf(language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<title>${words.heading}: ${title}</title>
<style>${STYLE}</style>
</head>
<body>
<main data-invoice="${escapeHtml(invoice)}" data-hash="${facts.paymentHash}" data-expires="${facts.expiresAt}" ${said}>
${brand === undefined ? '' : `<p class="brand"><bdi>${escapeHtml(brand)}</bdi></p>\n`}<h1>${words.heading}</h1>
${notice === undefined ? '' : `<p class="notice">${escapeHtml(notice)}</p>\n`}<p>${fill(words.intro, { title: `<bdi>${title}</bdi>` })}</p>
<dl><dt>${words.price}</dt><dd>${escapeHtml(fill(text.sats, { amount: sats(facts.amountMsat) }))}</dd><dt>${words.buys}</dt><dd>${escapeHtml(grantsText(facts.grants, { text, language }))}</dd></dl>
<p id="status" role="status"></p>
<div id="pay">
${qr === undefined ? '' : `<div class="qr">${qr}</div>\n`}<noscript><p>${words.noScript}</p></noscript>
<div class="acts"><a class="act first" href="lightning:${escapeHtml(invoice)}">${words.openWallet}</a><button type="button" id="copy" hidden>${words.copy}</button><button type="button" id="wallet" hidden>${words.browserWallet}</button><a class="act" id="reload" href="">${words.reload}</a></div>
<details id="details"><summary>${words.invoice}</summary><code id="invoice" dir="ltr">${escapeHtml(invoice)}</code></details>
</div>
<a class="act" id="renew" href="" hidden>${words.renew}</a>
<details id="proof"${facts.formAction === undefined ? ' hidden' : ''}${notice === text.pendingSettled ? ' open' : ''}><summary>${words.havePreimage}</summary>
<form id="form" ${form}><input type="hidden" name="pending" value="${escapeHtml(facts.pending)}"><input type="hidden" name="target" value="${escapeHtml(facts.target)}"><label for="preimage">${words.preimage}</label><input id="preimage" dir="ltr" name="preimage" required pattern="\\s*[0-9a-fA-F]{64}\\s*" autocomplete="off" spellcheck="false" aria-describedby="hint"><p><small id="hint">${words.preimageHint}</small></p><button>${words.open}</button></form></details>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`
}

/** Languages that are written from right to left. */
const RIGHT_TO_LEFT = /^(?:ar|arc|ckb|dv|fa|he|ks|ku-arab|nqo|pa-arab|ps|sd|syr|ug|ur|yi)(?:-|$)/i

/** A tag's script decides where it names one that does. */
function directionOf(language: string): 'ltr' | 'rtl' {
  if (/-latn(?:-|$)/i.test(language)) return 'ltr'
  return RIGHT_TO_LEFT.test(language) || /-(?:arab|hebr|thaa|syrc)(?:-|$)/i.test(language) ? 'rtl' : 'ltr'
}

/** Satoshis, to the millisatoshi, as the language writes numbers. */
function satsText(msat: bigint, language: string): string {
  const rest = msat % 1000n
  const digits = rest === 0n ? '' : String(rest).padStart(3, '0').replace(/0+$/, '')
  return numberText(msat / 1000n, language, digits)
}

/** A whole number, and the digits behind it as they are. */
function numberText(whole: bigint | number, language: string, digits = ''): string {
  const options = { minimumFractionDigits: digits.length }
  try {
    const parts = new Intl.NumberFormat(language, options).formatToParts(whole)
    // No float ever holds the amount: its digits are put where the language has its zeros.
    return parts
      .map(({ type, value }) => {
        if (type !== 'fraction') return value
        const zero = [...value][0] ?? '0'
        return [...digits]
          .map((digit) => String.fromCodePoint((zero.codePointAt(0) ?? 48) + Number(digit)))
          .join('')
      })
      .join('')
  } catch {
    return digits === '' ? String(whole) : `${whole}.${digits}`
  }
}

function grantsText(
  { calls, creditMsat, validSeconds }: Grants,
  { text, language }: Pick<PageWords, 'text' | 'language'>,
): string {
  const parts: string[] = []
  if (calls !== undefined)
    parts.push(calls === 1 ? text.oneCall : fill(text.calls, { count: numberText(calls, language) }))
  if (creditMsat !== undefined) parts.push(fill(text.credit, { amount: satsText(creditMsat, language) }))
  if (validSeconds !== undefined) parts.push(fill(text.access, { time: timeText(validSeconds, text) }))
  return parts.join(', ')
}

/** In the largest unit that says it exactly. */
function timeText(seconds: number, text: PageText): string {
  const units = [
    [86_400, text.day, text.days],
    [3_600, text.hour, text.hours],
    [60, text.minute, text.minutes],
    [1, text.second, text.seconds],
  ] as const
  const [size, one, many] = units.find(([length]) => seconds % length === 0) ?? units[3]
  return seconds === size ? one : fill(many, { count: String(seconds / size) })
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text for an element or a quoted attribute. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? '')
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
