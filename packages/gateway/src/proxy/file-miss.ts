import type { OwnProblem } from './answers.ts'

/** No file to serve. What was held for it is given back. */
export class FileMiss extends Error {
  readonly problem: OwnProblem

  constructor(problem: OwnProblem) {
    super(problem.detail)
    this.problem = problem
  }
}

export const NO_FILE: OwnProblem = {
  code: 'no_file',
  detail: 'there is no file at this path; nothing was charged',
}

export const NOT_READ: OwnProblem = {
  code: 'method_not_allowed',
  detail: 'files are read with GET and HEAD',
  lines: ['Allow', 'GET, HEAD, OPTIONS'],
}

/** The folder or the file is there and cannot be read. */
export const READ_FAILED: OwnProblem = {
  code: 'internal_error',
  detail: 'the file could not be read; nothing was charged',
}

/** A folder, asked for without its slash. */
export function moved(location: string): OwnProblem {
  return {
    code: 'folder',
    detail: 'the path of a folder ends with a slash; nothing was charged',
    lines: ['Location', location],
  }
}

/** A range that the file does not have (RFC 9110 §15.5.17). */
export function noRange(size: number): OwnProblem {
  return {
    code: 'range_not_satisfiable',
    detail: 'the file does not have the bytes that Range asks for; nothing was charged',
    lines: ['Content-Range', `bytes */${size}`],
  }
}

/** `If-Match` or `If-Unmodified-Since` does not hold (RFC 9110 §15.5.13). */
export const CHANGED: OwnProblem = {
  code: 'precondition_failed',
  detail: 'the file is not the one that the request is for; nothing was charged',
}
