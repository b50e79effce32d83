/** Header lines as Node's `rawHeaders` gives them: name, value, name, value, …; names in any case (rule V2). */
export type HeaderLines = readonly string[]
