import { HeaderList } from './header-list.ts'

/** What {@link PlainResponse} is made of. */
interface ResponseParts {
  readonly status: number
  readonly statusText: string
  readonly headers: HeaderList
  /** `null` for an answer without a body. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null
}

/**
 * An answer as it came, for the way to the first byte ({@link HeaderList} says why). Status, headers and the stream are
 * its own; whoever wants it read whole gets the platform's `Response` behind it.
 */
export class PlainResponse implements Response {
  readonly status: number
  readonly statusText: string
  readonly headers: HeaderList
  readonly type = 'default'
  readonly url = ''
  readonly redirected = false
  #body: ReadableStream<Uint8Array<ArrayBuffer>> | null
  #read: Response | undefined

  constructor({ status, statusText, headers, body }: ResponseParts) {
    this.status = status
    this.statusText = statusText
    this.headers = headers
    this.#body = body
  }

  get ok(): boolean {
    return this.status >= 200 && this.status <= 299
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.#body
  }

  get bodyUsed(): boolean {
    return this.#read?.bodyUsed ?? false
  }

  json(): Promise<unknown> {
    return this.#whole().json()
  }

  text(): Promise<string> {
    return this.#whole().text()
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#whole().bytes()
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#whole().arrayBuffer()
  }

  blob(): Promise<Blob> {
    return this.#whole().blob()
  }

  formData(): Promise<FormData> {
    return this.#whole().formData()
  }

  clone(): PlainResponse {
    const [mine, other] = this.#body?.tee() ?? [null, null]
    this.#body = mine
    const { status, statusText } = this
    return new PlainResponse({ status, statusText, headers: new HeaderList(this.headers), body: other })
  }

  #whole(): Response {
    this.#read ??= new Response(this.#body, { headers: [...this.headers] })
    return this.#read
  }
}
