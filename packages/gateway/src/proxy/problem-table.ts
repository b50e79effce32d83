import { REQUEST_PROBLEMS, type RequestProblemCode, type RequestProblemEntry } from '@turnpike/l402/server'

/** Codes of all problems that the gateway answers by itself; the gate's reasons are a table of the library. */
export type ProblemCode =
  | RequestProblemCode
  | 'bad_request'
  | 'folder'
  | 'no_file'
  | 'precondition_failed'
  | 'range_not_satisfiable'
  | 'unknown_host'
  | 'not_by_proxy'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'chunk_extensions_too_large'
  | 'expectation_failed'
  | 'header_too_large'
  | 'internal_error'
  | 'upgrade_not_supported'
  | 'upstream_unreachable'
  | 'upstream_closed'
  | 'upstream_invalid'
  | 'upstream_timeout'

/** How each of them is answered. */
export const PROBLEMS: Readonly<Record<ProblemCode, RequestProblemEntry>> = {
  folder: {
    status: 308,
    title: 'Permanent Redirect',
    meaning: 'The path is that of a folder of files and lacks the slash at its end; nothing was used.',
    remedy: 'Go to `Location` with the same credential.',
  },
  bad_request: {
    status: 400,
    title: 'Bad Request',
    meaning:
      'The request is no well-formed HTTP, or could be read in two ways: framing, header lines, `Host`.',
    remedy: 'Mend the client or the proxy before it; `detail` says what was expected.',
  },
  ...REQUEST_PROBLEMS,
  not_by_proxy: {
    status: 403,
    title: 'Forbidden',
    meaning:
      'A proxy in front asked about this request (forward-auth), and that is no way to ask for it; nothing was used.',
    remedy: 'A seller lets the proxy send such requests to the gateway itself.',
  },
  unknown_host: {
    status: 404,
    title: 'Not Found',
    meaning: 'This gateway serves other hosts than the one that `Host` names.',
    remedy: 'Check the address; a seller names the host in the configuration.',
  },
  no_file: {
    status: 404,
    title: 'Not Found',
    meaning: 'The route serves files, and there is none at this path; nothing was used.',
    remedy: 'Check the path; the same credential opens another.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method Not Allowed',
    meaning: 'TRACE and CONNECT are not carried; the balance and files are read with GET.',
    remedy: 'Use one of the methods in `Allow`.',
  },
  request_timeout: {
    status: 408,
    title: 'Request Timeout',
    meaning: 'The request’s header lines or body did not arrive in time; nothing was used.',
    remedy: 'Repeat the request with the same credential.',
  },
  precondition_failed: {
    status: 412,
    title: 'Precondition Failed',
    meaning: 'The file is not the one that `If-Match` or `If-Unmodified-Since` names; nothing was used.',
    remedy: 'Fetch the file anew.',
  },
  chunk_extensions_too_large: {
    status: 413,
    title: 'Payload Too Large',
    meaning: 'The chunks of the request’s body carry too many extensions.',
    remedy: 'Leave the chunk extensions out.',
  },
  range_not_satisfiable: {
    status: 416,
    title: 'Range Not Satisfiable',
    meaning: 'The file does not have the bytes that `Range` asks for; nothing was used.',
    remedy: '`Content-Range` says how long the file is.',
  },
  expectation_failed: {
    status: 417,
    title: 'Expectation Failed',
    meaning: 'An `Expect` other than `100-continue`.',
    remedy: 'Leave the line out.',
  },
  header_too_large: {
    status: 431,
    title: 'Request Header Fields Too Large',
    meaning: 'The header lines of the request are too long together.',
    remedy: 'Send fewer or shorter lines, and one credential instead of several.',
  },
  internal_error: {
    status: 500,
    title: 'Internal Server Error',
    meaning: 'The gateway itself failed; nothing was charged.',
    remedy: 'Repeat the request; tell the seller, whose log names the fault.',
  },
  upgrade_not_supported: {
    status: 501,
    title: 'Not Implemented',
    meaning: 'No WebSocket is carried to a service that speaks HTTP/2.',
    remedy:
      'Use plain HTTP, streams or server-sent events; a seller names the service by its HTTP/1.1 address.',
  },
  upstream_unreachable: {
    status: 502,
    title: 'Bad Gateway',
    meaning: 'The service behind the gateway cannot be reached; nothing was used.',
    remedy: 'Repeat the request later with the same credential.',
  },
  upstream_closed: {
    status: 502,
    title: 'Bad Gateway',
    meaning: 'The service behind the gateway closed the connection before it answered; nothing was used.',
    remedy:
      'Repeat the request with the same credential if it may run twice: it could have been carried out.',
  },
  upstream_invalid: {
    status: 502,
    title: 'Bad Gateway',
    meaning: 'The service behind the gateway did not answer with valid HTTP.',
    remedy: 'Tell the seller.',
  },
  upstream_timeout: {
    status: 504,
    title: 'Gateway Timeout',
    meaning:
      'The service behind the gateway sent no first byte within the route’s `timeout`; nothing was used.',
    remedy: 'Repeat the request later with the same credential if it may run twice.',
  },
}
