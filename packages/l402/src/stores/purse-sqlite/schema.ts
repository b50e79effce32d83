/** The purse's tables. A step, once released, never changes; a new one is appended. */

/** Marks a database as a purse (`PRAGMA application_id`): the letters `fare`. */
export const APPLICATION_ID = 0x66617265

/** Step n brings `PRAGMA user_version` from n to n + 1. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE payments (
    payment_hash  BLOB PRIMARY KEY CHECK (length(payment_hash) = 32),
    origin        TEXT NOT NULL,
    host          TEXT NOT NULL,
    method        TEXT NOT NULL,
    url           TEXT NOT NULL,
    body_digest   BLOB,
    scope         TEXT NOT NULL,
    macaroon      TEXT NOT NULL,
    invoice       TEXT NOT NULL,
    amount_msat   INTEGER NOT NULL CHECK (amount_msat >= 0),
    max_fee_msat  INTEGER NOT NULL CHECK (max_fee_msat >= 0),
    payee         TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    wallet        TEXT NOT NULL,
    state         TEXT NOT NULL
                  CHECK (state IN ('reserved', 'in_flight', 'settled', 'failed', 'unknown', 'paid_unproven')),
    served        TEXT NOT NULL CHECK (served IN ('unserved', 'redeemed', 'not_served')),
    preimage      BLOB CHECK (preimage IS NULL OR length(preimage) = 32),
    fee_msat      INTEGER NOT NULL CHECK (fee_msat >= 0),
    last_status   INTEGER NOT NULL,
    detail        TEXT NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    CHECK (state <> 'settled' OR preimage IS NOT NULL)
  ) STRICT;
  CREATE INDEX payments_by_time ON payments (created_at_ms);
  CREATE INDEX payments_by_host ON payments (host, created_at_ms);
  CREATE INDEX payments_by_scope ON payments (scope, created_at_ms);
  CREATE INDEX payments_open ON payments (created_at_ms) WHERE state IN ('reserved', 'in_flight', 'unknown');

  CREATE TABLE credentials (
    id              TEXT PRIMARY KEY,
    origin          TEXT NOT NULL,
    macaroon        TEXT NOT NULL,
    preimage        BLOB NOT NULL CHECK (length(preimage) = 32),
    payment_hash    BLOB NOT NULL CHECK (length(payment_hash) = 32),
    bought_for      TEXT NOT NULL,
    cost_msat       INTEGER NOT NULL CHECK (cost_msat >= 0),
    created_at_ms   INTEGER NOT NULL,
    last_used_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX credentials_by_origin ON credentials (origin, created_at_ms);

  CREATE TABLE rejections (
    credential_id TEXT NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    scope         TEXT NOT NULL,
    PRIMARY KEY (credential_id, scope)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE quotes (
    id            TEXT PRIMARY KEY,
    request_url   TEXT NOT NULL,
    origin        TEXT NOT NULL,
    host          TEXT NOT NULL,
    method        TEXT NOT NULL,
    url           TEXT NOT NULL,
    body_digest   BLOB,
    macaroon      TEXT NOT NULL,
    invoice       TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE budget (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    json TEXT NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE payments ADD COLUMN task TEXT NOT NULL DEFAULT '';
  CREATE INDEX payments_by_payee ON payments (payee, created_at_ms);
  CREATE INDEX payments_by_task ON payments (task, created_at_ms);

  CREATE TABLE notes (
    subject TEXT NOT NULL,
    name    TEXT NOT NULL,
    text    TEXT NOT NULL,
    PRIMARY KEY (subject, name)
  ) STRICT, WITHOUT ROWID;
  `,
  'ALTER TABLE payments ADD COLUMN order_ends_at_ms INTEGER',
  'ALTER TABLE payments ADD COLUMN wallet_id TEXT',
]
