import type { DatabaseSync } from 'node:sqlite'

/** What says whose a SQLite file is. */
export interface FileMarks {
  /** `PRAGMA application_id`; 0 in a new file. */
  readonly application: number
  /** `PRAGMA user_version`; 0 in a new file. */
  readonly version: number
  /** How many tables and indices it holds. */
  readonly tables: number
}

/** All marks as they stood at one moment: in one statement, since another process may be making the file just now. */
export function readMarks(db: DatabaseSync): FileMarks {
  const row = db
    .prepare(
      `SELECT (SELECT application_id FROM pragma_application_id) AS application,
              (SELECT user_version FROM pragma_user_version) AS version,
              (SELECT count(*) FROM sqlite_schema) AS tables`,
    )
    .get()
  return {
    application: Number(row?.['application']),
    version: Number(row?.['version']),
    tables: Number(row?.['tables']),
  }
}
