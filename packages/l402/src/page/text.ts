/** Every word of the payment page. A translation is this table in another language, given as `page: { language, text }`. */

/** The words of the page; `{…}` is filled in. */
export interface PageText {
  readonly heading: string
  /** What is sold: `{title}`. */
  readonly intro: string
  readonly price: string
  /** `{amount}`, in satoshis. */
  readonly sats: string
  readonly buys: string
  /** `{count}`. */
  readonly oneCall: string
  readonly calls: string
  /** `{time}`. */
  readonly access: string
  /** `{amount}`, in satoshis. */
  readonly credit: string
  readonly day: string
  readonly days: string
  readonly hour: string
  readonly hours: string
  readonly minute: string
  readonly minutes: string
  readonly second: string
  readonly seconds: string
  /** What the picture is, for those who do not see it. */
  readonly qr: string
  readonly openWallet: string
  readonly copy: string
  readonly copied: string
  readonly browserWallet: string
  readonly invoice: string
  readonly waiting: string
  readonly paid: string
  /** The invoice is paid and the server cannot tell by which preimage. */
  readonly needsPreimage: string
  readonly expired: string
  /** The link in the place of an invoice that has expired. */
  readonly renew: string
  readonly notChecked: string
  readonly wrongPreimage: string
  readonly noScript: string
  readonly reload: string
  readonly havePreimage: string
  readonly preimage: string
  readonly preimageHint: string
  readonly open: string
  /** Why what the browser holds does not open this. */
  readonly exhausted: string
  readonly ended: string
  readonly revoked: string
  readonly notAccepted: string
  readonly pendingSettled: string
}

/** The page in English. */
export const ENGLISH: PageText = {
  heading: 'Payment required',
  intro: '{title} costs a small payment over Lightning. It opens here as soon as the invoice is paid.',
  price: 'Price',
  sats: '{amount} sat',
  buys: 'Buys',
  oneCall: '1 request',
  calls: '{count} requests',
  access: 'access for {time}',
  credit: '{amount} sat of credit',
  day: '1 day',
  days: '{count} days',
  hour: '1 hour',
  hours: '{count} hours',
  minute: '1 minute',
  minutes: '{count} minutes',
  second: '1 second',
  seconds: '{count} seconds',
  qr: 'QR code of the Lightning invoice',
  openWallet: 'Open in wallet',
  copy: 'Copy invoice',
  copied: 'Invoice copied.',
  browserWallet: 'Pay with browser wallet',
  invoice: 'Lightning invoice',
  waiting: 'Waiting for the payment.',
  paid: 'Paid. Opening.',
  needsPreimage: 'Paid. Enter the preimage that your wallet shows for this payment.',
  expired: 'This invoice has expired.',
  renew: 'Get a new invoice',
  notChecked: 'The payment could not be checked. It is tried again.',
  wrongPreimage: 'This preimage does not belong to this invoice.',
  noScript: 'Pay the invoice, then open this page again.',
  reload: 'I have paid: open',
  havePreimage: 'I have a preimage',
  preimage: 'Preimage',
  preimageHint: '64 characters, 0 to 9 and a to f. Wallets show it as proof of payment.',
  open: 'Open',
  exhausted: 'What you bought is used up.',
  ended: 'What you bought has ended.',
  revoked: 'What you bought has been revoked.',
  notAccepted: 'What you bought does not open this.',
  pendingSettled: 'An invoice of this page has been paid. Enter its preimage below, and do not pay again.',
}

/** Fills `{name}` in. */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{([a-z]+)\}/g, (whole, name: string) => values[name] ?? whole)
}
