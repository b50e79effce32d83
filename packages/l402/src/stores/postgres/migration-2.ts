import { FUNCTIONS_2 } from './functions-2.ts'
import { MARKS_2 } from './marks-2.ts'

/**
 * Brings a schema of version 1 to version 2: credit, measured costs, ends, windows, marks, claims.
 *
 * Gateways of version 1 that are connected go on working until they lose their connection: version 1 of a batch is now
 * done by version 2, a reservation's `uses` look as they did, and what version 1 wrote is what version 2 writes for calls
 * alone (`meters` and `drawn` are null). What they cannot do fails closed, with `store_unavailable`: give back a measured
 * use of another gateway, whose amount they do not know; connect again, or be started. What version 1 recorded has no end
 * that is known, and is kept.
 *
 * The tables are locked in the order in which a batch touches them, so that this waits for what runs, and nothing in a
 * circle. Nothing is rewritten, but `counters` and `redemptions` are read through once, for their indexes: about a second
 * for ten million rows. A ledger of more rows than its `timeoutMs` allows needs a longer one for this start.
 */
export const MIGRATION_2: string = `
LOCK TABLE owners IN ACCESS EXCLUSIVE MODE;
LOCK TABLE reservations IN ACCESS EXCLUSIVE MODE;
LOCK TABLE revocations IN ACCESS EXCLUSIVE MODE;
LOCK TABLE counters IN ACCESS EXCLUSIVE MODE;
LOCK TABLE redemptions IN ACCESS EXCLUSIVE MODE;

-- credited: null of a counter that is no account. What is lost was used beyond it. ends_ms: null is never.
ALTER TABLE counters ADD COLUMN credited bigint, ADD COLUMN lost bigint NOT NULL DEFAULT 0, ADD COLUMN ends_ms bigint;
CREATE INDEX counters_ends ON counters(ends_ms) WHERE ends_ms IS NOT NULL;
DELETE FROM counters WHERE used = 0;

-- meters: for each use its kind [1] (1 measured, 2 of an account, 3 both, 0 neither), and of a measured one the limit
-- [8, big-endian]; null if there are only zeros. drawn: what each measured use holds by now, null: as in uses.
ALTER TABLE reservations ADD COLUMN meters bytea, ADD COLUMN drawn bigint;

ALTER TABLE redemptions ADD COLUMN ends_ms bigint;
CREATE INDEX redemptions_ends ON redemptions(ends_ms) WHERE ends_ms IS NOT NULL;

-- The requests of a window: times, ascending, and how many at each.
CREATE TABLE windows(
  key bytea PRIMARY KEY, times bigint[] NOT NULL, counts bigint[] NOT NULL, forget_ms bigint NOT NULL, bucket bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX windows_bucket ON windows(bucket);

CREATE TABLE marks(key bytea PRIMARY KEY, until_ms bigint NOT NULL);
CREATE INDEX marks_until ON marks(until_ms);

CREATE TABLE claims(key bytea PRIMARY KEY, digest bytea NOT NULL, owner bigint, answer bytea, until_ms bigint NOT NULL);
CREATE INDEX claims_until ON claims(until_ms) WHERE answer IS NOT NULL;
CREATE INDEX claims_owner ON claims(owner) WHERE owner IS NOT NULL;

${FUNCTIONS_2}
${MARKS_2}

CREATE OR REPLACE FUNCTION batch_1(
  p_owner bigint, p_now_ms bigint, p_touch boolean, p_commits bigint[], p_serves bigint[], p_releases bigint[],
  p_keys bytea[], p_ids bigint[], p_counts int[], p_uses bytea[], p_hashes bytea[], p_tokens bytea[],
  p_services text[], p_slots int[], p_amounts bigint[], p_rooms bigint[]
) RETURNS TABLE(outcomes int[], states bigint[], missing bigint[], latest bigint) LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM reservations WHERE id = ANY(p_releases) AND meters IS NOT NULL) THEN
    RAISE EXCEPTION 'a measured use can be given back by a newer gateway alone';
  END IF;
  RETURN QUERY SELECT b.outcomes, b.states, b.missing, b.latest FROM batch_2(
    p_owner, p_now_ms, p_touch, p_commits, p_serves, p_releases, NULL, p_keys, NULL,
    ARRAY(SELECT CASE WHEN u.uses IS NULL THEN 1 ELSE 0 END FROM unnest(p_uses) WITH ORDINALITY AS u(uses, n) ORDER BY u.n),
    p_ids, p_counts, NULL, NULL, p_uses, NULL, p_hashes, p_tokens, p_services, NULL, p_slots, p_amounts, p_rooms, NULL) b;
END $$;

-- As before, and with measured uses, accounts and claims. Claims that ran are nobody's any more.
CREATE OR REPLACE FUNCTION forget_1(p_owners bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_keys bytea[];
  v_amounts bigint[];
BEGIN
  PERFORM FROM reservations WHERE owner = ANY(p_owners) ORDER BY id FOR UPDATE;
  WITH gone AS (DELETE FROM reservations WHERE owner = ANY(p_owners) RETURNING serving, uses, meters, drawn),
       back AS (SELECT u.key, sum(u.amount)::bigint AS amount FROM gone, uses_2(gone.uses, gone.meters, gone.drawn) u
                WHERE NOT serving GROUP BY u.key)
    SELECT array_agg(key ORDER BY key), array_agg(amount ORDER BY key) INTO v_keys, v_amounts FROM back;
  PERFORM FROM counters WHERE key = ANY(v_keys) ORDER BY key FOR UPDATE;
  UPDATE counters c SET used = greatest(0, c.used - b.amount)
  FROM unnest(v_keys, v_amounts) AS b(key, amount) WHERE c.key = b.key;
  DELETE FROM counters WHERE key = ANY(v_keys) AND used = 0 AND credited IS NULL;
  DELETE FROM claims WHERE owner = ANY(p_owners);
  DELETE FROM owners WHERE id = ANY(p_owners);
END $$;

-- As before, and with claims.
CREATE OR REPLACE FUNCTION adopt_1(p_self bigint, p_before bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_key bigint := owner_key_1(p_before);
BEGIN
  PERFORM pg_terminate_backend(l.pid) FROM pg_locks l JOIN owners o ON o.pid = l.pid AND o.id = p_before
  WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.classid::bigint << 32 | l.objid::bigint) = v_key;
  PERFORM pg_advisory_xact_lock(v_key);
  PERFORM FROM reservations WHERE owner = p_before ORDER BY id FOR UPDATE;
  UPDATE reservations SET owner = p_self WHERE owner = p_before;
  UPDATE claims SET owner = p_self WHERE owner = p_before;
  DELETE FROM owners WHERE id = p_before;
END $$;
`
