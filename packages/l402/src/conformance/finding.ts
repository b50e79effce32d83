/** Something that a probe found. */
export interface Finding {
  /** Of the protocol, e.g. `S2`. */
  readonly rule: string
  /** `error`: some client cannot buy, or something is given away or lost; `warning`: it will hurt somebody; `note`: to know. */
  readonly severity: 'error' | 'warning' | 'note'
  /** What is so. Never a secret. */
  readonly what: string
  /** What to do about it. */
  readonly remedy: string
}

/** Collects findings. */
export type Report = (severity: Finding['severity'], rule: string, what: string, remedy: string) => void
