/**
 * Version 2 of a batch: besides calls, credit and measured costs. As in version 1 every call is one statement at READ
 * COMMITTED, and rows are locked in one order: reservations by id, counters by key, redemptions by payment hash.
 *
 * Counters come and go (a counter at 0 leaves no row, and what has ended is removed), so a row is made and locked in one
 * step: `ON CONFLICT DO UPDATE … WHERE false` writes nothing, locks what is there, and makes what somebody is just
 * removing.
 */
export const FUNCTIONS_2: string = `
-- The uses in a reservation's row, as they are by now: what is measured stands at p_drawn once there was a draw.
CREATE FUNCTION uses_2(p_uses bytea, p_meters bytea, p_drawn bigint) RETURNS TABLE(key bytea, amount bigint)
LANGUAGE sql IMMUTABLE AS $$
  SELECT substring(p_uses FROM 40 * i + 1 FOR 32),
         CASE WHEN p_drawn IS NOT NULL AND get_byte(p_meters, 9 * i) & 1 = 1 THEN p_drawn
              ELSE ('x' || encode(substring(p_uses FROM 40 * i + 33 FOR 8), 'hex'))::bit(64)::bigint END
  FROM generate_series(0, length(p_uses) / 40 - 1) AS i
$$;

-- Records payments where there is a service; the first of several counts. Answers those that were not on the books.
CREATE FUNCTION redeem_2(p_now_ms bigint, p_hashes bytea[], p_tokens bytea[], p_services text[], p_until bigint[])
RETURNS bytea[] LANGUAGE plpgsql AS $$
DECLARE
  v_fresh bytea[];
BEGIN
  WITH fresh AS (
    INSERT INTO redemptions(payment_hash, token_id, service, first_seen_ms, ends_ms)
    SELECT DISTINCT ON (r.hash) r.hash, r.token, r.service, p_now_ms, r.until
    FROM unnest(p_hashes, p_tokens, p_services, p_until) WITH ORDINALITY AS r(hash, token, service, until, n)
    WHERE r.service IS NOT NULL ORDER BY r.hash, r.n
    ON CONFLICT DO NOTHING RETURNING payment_hash)
    SELECT array_agg(payment_hash) INTO v_fresh FROM fresh;
  RETURN v_fresh;
END $$;

-- A batch. What ends, or begins to be served, stands in p_commits, p_serves, p_releases; the reservations with measured
-- uses that are asked about in p_measured. Whatever changes counters is a place, and places are done in their order:
--   p_ops     0 reserve, 1 give back, 2 credit, 3 draw, 4 commit what was measured
--   p_costs   of a credit or a measured cost: msat
--   p_refs    index into p_measured
--   p_counts  how many of the uses are the place's
-- The counters of all of them are p_keys, ascending, with their ends; a use names its counter by its index there.
--   p_rooms   most the counter may hold before; null: it is an account, and its credit decides
--   p_limits  of a measured use: most the counter may hold (of an account: any number)
-- p_services is null where the payment is recorded already. Arrays of which nothing is needed are null.
-- Answers for each place: reserve 0 made, n no room at its nth counter, −1 revoked; credit 1 made, 0 made before; draw
-- 0 all fitted, 1 not all, −2 nothing is held; what each counter held after each use, and its credit; the ids of p_serves
-- that are not held; the last revocation.
CREATE FUNCTION batch_2(
  p_owner bigint, p_now_ms bigint, p_touch boolean,
  p_commits bigint[], p_serves bigint[], p_releases bigint[], p_measured bigint[],
  p_keys bytea[], p_ends bigint[],
  p_ops int[], p_ids bigint[], p_counts int[], p_costs bigint[], p_refs int[],
  p_uses bytea[], p_meters bytea[], p_hashes bytea[], p_tokens bytea[], p_services text[], p_until bigint[],
  p_slots int[], p_amounts bigint[], p_rooms bigint[], p_limits bigint[]
) RETURNS TABLE(outcomes int[], states bigint[], credits bigint[], missing bigint[], latest bigint)
LANGUAGE plpgsql AS $$
DECLARE
  c_max CONSTANT bigint := 9223372036854775807;
  v_ending bigint[] := p_commits || p_serves || p_releases || p_measured;
  v_released bigint[];
  v_alive boolean[];
  v_drawn bigint[];
  v_revoked bigint[];
  v_early boolean := 2 = ANY(p_ops);
  v_fresh bytea[];
  v_recorders int[];
  v_used bigint[];
  v_credited bigint[];
  v_lost bigint[];
  v_until bigint[];
  v_op int;
  v_slot int;
  v_at int := 0;
  v_held bigint;
  v_left bigint;
  v_change bigint;
  v_loss bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM owners WHERE id = p_owner AND pid = pg_backend_pid()) THEN
    RAISE EXCEPTION 'this session is not the owner it was' USING ERRCODE = 'TP001';
  END IF;
  IF p_touch THEN UPDATE owners SET seen_at = clock_timestamp() WHERE id = p_owner; END IF;

  IF cardinality(v_ending) > 0 THEN
    PERFORM FROM reservations WHERE id = ANY(v_ending) ORDER BY id FOR UPDATE;
    IF cardinality(p_measured) > 0 THEN
      SELECT array_agg(EXISTS (SELECT FROM reservations r WHERE r.id = m.id) ORDER BY m.n),
             array_agg((SELECT r.drawn FROM reservations r WHERE r.id = m.id) ORDER BY m.n)
      INTO v_alive, v_drawn FROM unnest(p_measured) WITH ORDINALITY AS m(id, n);
    END IF;
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
  IF cardinality(p_ops) = 0 THEN
    RETURN NEXT;
    RETURN;
  END IF;
  IF latest IS NOT NULL THEN
    SELECT array_agg(n) INTO v_revoked FROM unnest(p_hashes, p_tokens) WITH ORDINALITY AS r(hash, token, n)
    WHERE EXISTS (SELECT FROM revocations WHERE kind = 'payment' AND key = r.hash)
       OR EXISTS (SELECT FROM revocations WHERE kind = 'token' AND key = r.token);
  END IF;

  INSERT INTO counters AS c (key, used, ends_ms) SELECT k, 0, e FROM unnest(p_keys, p_ends) AS n(k, e)
  ON CONFLICT (key) DO UPDATE SET used = c.used WHERE false;
  SELECT array_agg(c.used ORDER BY c.key), array_agg(c.credited ORDER BY c.key) INTO v_used, v_credited
  FROM counters c WHERE c.key = ANY(p_keys);
  IF p_costs IS NOT NULL THEN
    SELECT array_agg(c.ends_ms ORDER BY c.key), array_agg(0::bigint) INTO v_until, v_lost
    FROM counters c WHERE c.key = ANY(p_keys);
  END IF;
  -- Whether a credit is the first of its payment must be known before it is made. What is only reserved is recorded when
  -- it is known to be made: one pass over the payments either way, so in one order.
  IF v_early THEN v_fresh := redeem_2(p_now_ms, p_hashes, p_tokens, p_services, p_until); END IF;

  states := array_fill(0::bigint, ARRAY[cardinality(p_slots)]);
  outcomes := array_fill(0, ARRAY[cardinality(p_ops)]);
  FOR i IN 1 .. cardinality(p_ops) LOOP
    v_op := p_ops[i];
    IF v_op = 0 THEN
      IF i = ANY(v_revoked) THEN
        outcomes[i] := -1;
      ELSE
        FOR j IN v_at + 1 .. v_at + p_counts[i] LOOP
          v_slot := p_slots[j];
          IF v_used[v_slot] > coalesce(p_rooms[j], coalesce(v_credited[v_slot], 0) - p_amounts[j]) THEN
            outcomes[i] := j - v_at;
            FOR k IN v_at + 1 .. j - 1 LOOP
              v_slot := p_slots[k];
              v_used[v_slot] := v_used[v_slot] - p_amounts[k];
            END LOOP;
            EXIT;
          END IF;
          v_used[v_slot] := v_used[v_slot] + p_amounts[j];
          states[j] := v_used[v_slot];
          IF v_credited[v_slot] IS NOT NULL THEN
            IF credits IS NULL THEN credits := array_fill(NULL::bigint, ARRAY[cardinality(p_slots)]); END IF;
            credits[j] := v_credited[v_slot];
          END IF;
        END LOOP;
        IF v_early AND outcomes[i] = 0 AND p_hashes[i] = ANY(v_fresh) THEN
          v_fresh := array_remove(v_fresh, p_hashes[i]);
          v_recorders := v_recorders || i;
        END IF;
      END IF;
    ELSIF v_op = 1 THEN
      IF p_ids[i] = ANY(v_released) THEN
        FOR j IN v_at + 1 .. v_at + p_counts[i] LOOP
          v_slot := p_slots[j];
          v_held := p_amounts[j];
          IF p_limits[j] IS NOT NULL THEN v_held := coalesce(v_drawn[p_refs[i]], v_held); END IF;
          v_used[v_slot] := greatest(0, v_used[v_slot] - v_held);
        END LOOP;
      END IF;
    ELSIF v_op = 2 THEN
      IF p_hashes[i] = ANY(v_fresh) THEN
        v_fresh := array_remove(v_fresh, p_hashes[i]);
        v_recorders := v_recorders || i;
        v_slot := p_slots[v_at + 1];
        v_until[v_slot] := CASE
          WHEN v_credited[v_slot] IS NULL AND v_used[v_slot] = 0 THEN p_until[i]
          WHEN v_until[v_slot] IS NOT NULL AND p_until[i] IS NOT NULL THEN greatest(v_until[v_slot], p_until[i]) END;
        v_credited[v_slot] := least(c_max - p_costs[i], coalesce(v_credited[v_slot], 0)) + p_costs[i];
        outcomes[i] := 1;
      END IF;
    ELSIF v_alive[p_refs[i]] THEN
      v_held := NULL;
      v_left := c_max;
      FOR j IN v_at + 1 .. v_at + p_counts[i] LOOP
        IF p_limits[j] IS NOT NULL THEN
          v_slot := p_slots[j];
          v_held := coalesce(v_drawn[p_refs[i]], p_amounts[j]);
          v_left := least(v_left, greatest(0,
            CASE WHEN p_rooms[j] IS NULL THEN coalesce(v_credited[v_slot], 0) ELSE p_limits[j] END - v_used[v_slot]));
        END IF;
      END LOOP;
      v_change := coalesce(p_costs[i] - v_held, 0);
      v_loss := greatest(0, v_change - v_left);
      -- A draw never gives back.
      v_change := CASE WHEN v_op = 3 THEN greatest(0, v_change - v_loss) ELSE v_change - v_loss END;
      outcomes[i] := (v_loss > 0)::int;
      FOR j IN v_at + 1 .. v_at + p_counts[i] LOOP
        v_slot := p_slots[j];
        IF p_limits[j] IS NOT NULL THEN v_used[v_slot] := greatest(0, v_used[v_slot] + v_change); END IF;
        IF v_op = 4 AND p_rooms[j] IS NULL THEN
          v_lost[v_slot] := least(c_max - v_loss, v_lost[v_slot]) + v_loss;
        END IF;
      END LOOP;
      v_drawn[p_refs[i]] := v_held + v_change;
    ELSE
      outcomes[i] := -2;
    END IF;
    v_at := v_at + p_counts[i];
  END LOOP;

  IF p_costs IS NULL THEN
    UPDATE counters c SET used = n.used FROM unnest(p_keys, v_used) AS n(key, used)
    WHERE c.key = n.key AND c.used <> n.used;
  ELSE
    UPDATE counters c SET used = n.used, credited = n.credited, ends_ms = n.until,
      lost = least(c_max - n.lost, c.lost) + n.lost
    FROM unnest(p_keys, v_used, v_credited, v_until, v_lost) AS n(key, used, credited, until, lost)
    WHERE c.key = n.key AND (c.used <> n.used OR n.lost > 0 OR c.credited IS DISTINCT FROM n.credited
      OR c.ends_ms IS DISTINCT FROM n.until);
    UPDATE reservations r SET drawn = m.drawn FROM unnest(p_measured, v_drawn) AS m(id, drawn)
    WHERE r.id = m.id AND r.drawn IS DISTINCT FROM m.drawn;
  END IF;
  -- Of a counter that holds nothing no row is left: a holder can name new ones without end.
  IF 0 = ANY(v_used) THEN
    DELETE FROM counters WHERE key = ANY(p_keys) AND used = 0 AND credited IS NULL;
  END IF;
  INSERT INTO reservations(id, owner, serving, uses, meters)
  SELECT r.id, p_owner, false, r.uses, r.meters
  FROM unnest(p_ids, p_uses, p_meters, p_ops, outcomes) AS r(id, uses, meters, op, outcome)
  WHERE r.op = 0 AND r.outcome = 0;
  IF v_early THEN
    DELETE FROM redemptions WHERE payment_hash = ANY(v_fresh);
    UPDATE redemptions r SET token_id = p_tokens[n], service = p_services[n], ends_ms = p_until[n]
    FROM unnest(v_recorders) AS n WHERE r.payment_hash = p_hashes[n]
      AND (r.token_id, r.service, r.ends_ms) IS DISTINCT FROM (p_tokens[n], p_services[n], p_until[n]);
  ELSIF p_services IS NOT NULL THEN
    PERFORM redeem_2(p_now_ms, p_hashes, p_tokens,
      ARRAY(SELECT CASE WHEN s.outcome = 0 THEN s.service END
            FROM unnest(p_services, outcomes) WITH ORDINALITY AS s(service, outcome, n) ORDER BY s.n), p_until);
  END IF;
  RETURN NEXT;
END $$;
`
