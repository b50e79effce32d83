/** A request that is answered before any price is asked: what `code` of its problem body comes to. */
export interface RequestProblemEntry {
  readonly status: number
  /** `title` of the problem body; the same for every answer with this code. */
  readonly title: string
  /** What has happened: one sentence for the manual. */
  readonly meaning: string
  /** What can be done about it: one sentence for the manual. */
  readonly remedy: string
}

/** Codes of the problems that every server made of this library answers. */
export type RequestProblemCode = 'bad_target' | 'no_route' | 'length_required' | 'body_too_large'

/** See {@link RequestProblemCode}; a program's own problems stand in a table of its own. */
export const REQUEST_PROBLEMS: Readonly<Record<RequestProblemCode, RequestProblemEntry>> = {
  bad_target: {
    status: 400,
    title: 'Bad Request',
    meaning:
      'The path could be read in two ways: a doubtful escape, a hidden dot segment, a control character.',
    remedy: 'Send the path in its plain form; `detail` says what stands against this one.',
  },
  no_route: {
    status: 404,
    title: 'Not Found',
    meaning: 'No route of this server matches the method and path; nothing is passed on by default.',
    remedy: 'Check the address; a seller adds a route, `free: true` if it costs nothing.',
  },
  length_required: {
    status: 411,
    title: 'Length Required',
    meaning:
      'The bytes of the request’s body are charged, its length is not stated, and this server cannot count them as they come.',
    remedy: 'Send `Content-Length`, 0 where there is no body; nothing was charged.',
  },
  body_too_large: {
    status: 413,
    title: 'Content Too Large',
    meaning:
      'The body is larger than the route takes or, with an `Idempotency-Key`, than can be compared with a later one.',
    remedy: 'Send a smaller body, or no `Idempotency-Key`; nothing was charged.',
  },
}
