import type { Gate } from '../server/gate.ts'
import { ENGLISH, type PageText } from './text.ts'

/** What the payment page says of a service. Plain text: all of it is escaped. */
export interface ServicePage {
  /** What is sold, e.g. `The weather archive`; the service's name if left out. */
  readonly title?: string
  /** Who sells, above the heading. */
  readonly brand?: string
}

/** The payment page of a server. */
export interface PageOptions {
  /** `lang` of the page; `en` if left out. */
  readonly language?: string
  /** Words in place of the English ones. */
  readonly text?: Partial<PageText>
  /** Path at which the server answers {@link Gate.submitPage}; without it the page's form needs its script. */
  readonly formPath?: string
}

/** Options with nothing left out. */
export interface PageWords {
  readonly language: string
  readonly text: PageText
}

/**
 * Fills in what is left out.
 *
 * @throws RangeError for a language tag, a word or a service's text out of range.
 */
export function pageWords(
  { language = 'en', text = {} }: PageOptions,
  services: Readonly<Record<string, { readonly page?: ServicePage | false }>>,
): PageWords {
  if (!/^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$/.test(language))
    throw new RangeError('invalid page.language: expected a language tag, e.g. en or pt-BR')
  for (const [name, word] of Object.entries(text)) {
    if (!Object.hasOwn(ENGLISH, name))
      throw new RangeError(
        `invalid page.text: expected one of ${Object.keys(ENGLISH).join(', ')}, got ${name}`,
      )
    if (typeof word !== 'string' || word.length > 500)
      throw new RangeError(`invalid page.text.${name}: expected at most 500 characters`)
  }
  for (const [service, { page = {} }] of Object.entries(services))
    for (const [name, word] of Object.entries(page === false ? {} : page))
      if (typeof word !== 'string' || word.length > 200)
        throw new RangeError(`invalid page.${name} of service "${service}": expected at most 200 characters`)
  return { language, text: { ...ENGLISH, ...text } }
}
