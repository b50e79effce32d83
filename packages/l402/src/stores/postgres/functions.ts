/**
 * What a ledger does in the database, as functions: each call is one statement, so one transaction, and READ COMMITTED
 * is enough, because every row is locked before it is looked at.
 *
 * **Order of locks**, the same for all, so that no two can wait for each other: reservations by id, then counters by
 * key, then redemptions by payment hash.
 *
 * Their names end in a version: gateways of two versions can work side by side while one takes the other's place.
 */
export const FUNCTIONS_1: string = `
-- The advisory lock that an owner's session holds. It dies with the session.
CREATE FUNCTION owner_key_1(p_id bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT hashtextextended('turnpike ledger ' || current_schema() || ' ' || p_id, 0)
$$;

-- Makes this session the owner p_id, unless that number is taken.
CREATE FUNCTION own_1(p_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_try_advisory_lock(owner_key_1(p_id)) THEN RETURN false; END IF;
  INSERT INTO owners(id, pid) VALUES (p_id, pg_backend_pid()) ON CONFLICT DO NOTHING;
  IF FOUND THEN RETURN true; END IF;
  PERFORM pg_advisory_unlock(owner_key_1(p_id));
  RETURN false;
END $$;

-- The uses in a reservation's row: key [32], amount [8, big-endian], repeated.
CREATE FUNCTION uses_1(p_uses bytea) RETURNS TABLE(key bytea, amount bigint) LANGUAGE sql IMMUTABLE AS $$
  SELECT substring(p_uses FROM 40 * i + 1 FOR 32),
         ('x' || encode(substring(p_uses FROM 40 * i + 33 FOR 8), 'hex'))::bit(64)::bigint
  FROM generate_series(0, length(p_uses) / 40 - 1) AS i
$$;

-- Ends all that these owners hold: what was being served counts, the rest is given back (rule 3).
CREATE FUNCTION forget_1(p_owners bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_keys bytea[];
  v_amounts bigint[];
BEGIN
  PERFORM FROM reservations WHERE owner = ANY(p_owners) ORDER BY id FOR UPDATE;
  WITH gone AS (DELETE FROM reservations WHERE owner = ANY(p_owners) RETURNING serving, uses),
       back AS (SELECT u.key, sum(u.amount)::bigint AS amount FROM gone, uses_1(gone.uses) u
                WHERE NOT serving GROUP BY u.key)
    SELECT array_agg(key ORDER BY key), array_agg(amount ORDER BY key) INTO v_keys, v_amounts FROM back;
  PERFORM FROM counters WHERE key = ANY(v_keys) ORDER BY key FOR UPDATE;
  UPDATE counters c SET used = c.used - b.amount FROM unnest(v_keys, v_amounts) AS b(key, amount) WHERE c.key = b.key;
  DELETE FROM owners WHERE id = ANY(p_owners);
END $$;

-- Ends what dead owners hold: those among p_suspects, or all (null). Answers the other dead ones.
CREATE FUNCTION sweep_1(p_self bigint, p_suspects bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  v_dead bigint[];
BEGIN
  SELECT array_agg(id) INTO v_dead FROM owners
  WHERE id <> p_self AND pg_try_advisory_xact_lock(owner_key_1(id));
  IF v_dead IS NULL THEN RETURN '{}'; END IF;
  IF p_suspects IS NULL OR v_dead && p_suspects THEN
    PERFORM forget_1(ARRAY(SELECT d FROM unnest(v_dead) d WHERE p_suspects IS NULL OR d = ANY(p_suspects)));
  END IF;
  RETURN ARRAY(SELECT d FROM unnest(v_dead) d WHERE p_suspects IS NOT NULL AND d <> ALL(p_suspects));
END $$;

-- Takes over what an earlier session of this same ledger held. That session may still be there, cut off: it is
-- ended first, and with its lock nothing of it can happen any more.
CREATE FUNCTION adopt_1(p_self bigint, p_before bigint) RETURNS void LANGUAGE plpgsql AS $$
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
  DELETE FROM owners WHERE id = p_before;
END $$;

-- Sequence numbers become visible in their order, so that whoever has seen one has seen all before it.
CREATE FUNCTION revoke_1(p_kind text, p_key bytea, p_now_ms bigint, p_channel text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE revocations IN SHARE ROW EXCLUSIVE MODE;
  INSERT INTO revocations(kind, key, at_ms) VALUES (p_kind, p_key, p_now_ms) ON CONFLICT DO NOTHING;
  PERFORM pg_notify(p_channel, '');
END $$;

-- A batch: places to make (p_uses is there) or to give back (null), in their order, and what else is asked. The
-- counters of all of them are p_keys, ascending; a use names its counter by its index there. p_services is null where
-- the payment is recorded already.
-- Answers for each place: 0 made, n no room at its nth counter, −1 revoked; what each counter held after each use; the
-- ids of p_serves that are not held; the last revocation.
CREATE FUNCTION batch_1(
  p_owner bigint, p_now_ms bigint, p_touch boolean, p_commits bigint[], p_serves bigint[], p_releases bigint[],
  p_keys bytea[], p_ids bigint[], p_counts int[], p_uses bytea[], p_hashes bytea[], p_tokens bytea[],
  p_services text[], p_slots int[], p_amounts bigint[], p_rooms bigint[]
) RETURNS TABLE(outcomes int[], states bigint[], missing bigint[], latest bigint) LANGUAGE plpgsql AS $$
DECLARE
  v_ending bigint[] := p_commits || p_serves || p_releases;
  v_released bigint[];
  v_revoked bigint[];
  v_fresh bytea[];
  v_used bigint[];
  v_slot int;
  v_at int := 0;
BEGIN
  IF NOT EXISTS (SELECT FROM owners WHERE id = p_owner AND pid = pg_backend_pid()) THEN
    RAISE EXCEPTION 'this session is not the owner it was' USING ERRCODE = 'TP001';
  END IF;
  IF p_touch THEN UPDATE owners SET seen_at = clock_timestamp() WHERE id = p_owner; END IF;

  IF cardinality(v_ending) > 0 THEN
    PERFORM FROM reservations WHERE id = ANY(v_ending) ORDER BY id FOR UPDATE;
    IF cardinality(p_serves) > 0 THEN
      WITH served AS (UPDATE reservations SET serving = true WHERE id = ANY(p_serves) RETURNING id)
        SELECT array_agg(s) INTO missing FROM unnest(p_serves) s WHERE s NOT IN (SELECT id FROM served);
    END IF;
    IF cardinality(p_commits) > 0 THEN DELETE FROM reservations WHERE id = ANY(p_commits); END IF;
    IF cardinality(p_releases) > 0 THEN
      WITH gone AS (DELETE FROM reservations WHERE id = ANY(p_releases) RETURNING id)
        SELECT array_agg(id) INTO v_released FROM gone;
    END IF;
  END IF;

  SELECT max(seq) INTO latest FROM revocations;
  IF latest IS NOT NULL AND cardinality(p_ids) > 0 THEN
    SELECT array_agg(n) INTO v_revoked FROM unnest(p_hashes, p_tokens) WITH ORDINALITY AS r(hash, token, n)
    WHERE EXISTS (SELECT FROM revocations WHERE kind = 'payment' AND key = r.hash)
       OR EXISTS (SELECT FROM revocations WHERE kind = 'token' AND key = r.token);
  END IF;

  IF cardinality(p_keys) > 0 THEN
    WITH fresh AS (INSERT INTO counters SELECT k, 0 FROM unnest(p_keys) AS k ON CONFLICT DO NOTHING RETURNING key)
      SELECT array_agg(key) INTO v_fresh FROM fresh;
    SELECT array_agg(l.used ORDER BY l.key) INTO v_used
    FROM (SELECT key, used FROM counters WHERE key = ANY(p_keys) ORDER BY key FOR UPDATE) l;

    states := array_fill(0::bigint, ARRAY[cardinality(p_slots)]);
    outcomes := array_fill(0, ARRAY[cardinality(p_ids)]);
    FOR i IN 1 .. cardinality(p_ids) LOOP
      IF p_uses[i] IS NULL THEN
        IF p_ids[i] = ANY(v_released) THEN
          FOR j IN v_at + 1 .. v_at + p_counts[i] LOOP
            v_slot := p_slots[j];
            v_used[v_slot] := v_used[v_slot] - p_amounts[j];
          END LOOP;
        END IF;
      ELSIF i = ANY(v_revoked) THEN
        outcomes[i] := -1;
      ELSE
        FOR j IN v_at + 1 .. v_at + p_counts[i] LOOP
          v_slot := p_slots[j];
          IF v_used[v_slot] > p_rooms[j] THEN
            outcomes[i] := j - v_at;
            FOR k IN v_at + 1 .. j - 1 LOOP
              v_slot := p_slots[k];
              v_used[v_slot] := v_used[v_slot] - p_amounts[k];
            END LOOP;
            EXIT;
          END IF;
          v_used[v_slot] := v_used[v_slot] + p_amounts[j];
          states[j] := v_used[v_slot];
        END LOOP;
      END IF;
      v_at := v_at + p_counts[i];
    END LOOP;

    UPDATE counters c SET used = n.used FROM unnest(p_keys, v_used) AS n(key, used)
    WHERE c.key = n.key AND c.used <> n.used;
    -- A counter that nobody got into leaves no row.
    IF v_fresh IS NOT NULL AND 0 = ANY(v_used) THEN
      DELETE FROM counters WHERE key = ANY(v_fresh) AND used = 0;
    END IF;
    INSERT INTO reservations(id, owner, serving, uses)
    SELECT r.id, p_owner, false, r.uses FROM unnest(p_ids, p_uses, outcomes) AS r(id, uses, outcome)
    WHERE r.uses IS NOT NULL AND r.outcome = 0;
    INSERT INTO redemptions(payment_hash, token_id, service, first_seen_ms)
    SELECT DISTINCT ON (r.hash) r.hash, r.token, r.service, p_now_ms
    FROM unnest(p_hashes, p_tokens, p_services, outcomes) WITH ORDINALITY AS r(hash, token, service, outcome, n)
    WHERE r.service IS NOT NULL AND r.outcome = 0 ORDER BY r.hash, r.n
    ON CONFLICT DO NOTHING;
  END IF;
  RETURN NEXT;
END $$;
`
