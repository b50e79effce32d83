import { RATE_GRACE_MS } from '../lib/rate-log.ts'

/**
 * What is remembered for a time: windows of rates, marks seen once, outcomes of claims; and housekeeping. Each function
 * is one statement, and locks only rows of its own table, by key; housekeeping waits for no row at all.
 */
export const MARKS_2: string = `
-- Milliseconds until a window has room for one more request; 0: it has.
CREATE FUNCTION wait_2(p_now_ms bigint, p_times bigint[], p_counts bigint[], p_limit bigint, p_window bigint)
RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  v_over bigint := 1 - p_limit;
BEGIN
  IF p_limit = 0 THEN RETURN p_window; END IF;
  FOR k IN 1 .. cardinality(p_times) LOOP
    IF p_now_ms - p_times[k] < p_window THEN v_over := v_over + p_counts[k]; END IF;
  END LOOP;
  IF v_over <= 0 THEN RETURN 0; END IF;
  FOR k IN 1 .. cardinality(p_times) LOOP
    IF p_now_ms - p_times[k] < p_window THEN
      v_over := v_over - p_counts[k];
      IF v_over <= 0 THEN RETURN p_times[k] + p_window - p_now_ms; END IF;
    END IF;
  END LOOP;
  RETURN 0;
END $$;

-- Calls in their order: each admits one request to all of its windows or to none, or (p_admits is false) takes the newest
-- out of them. The windows of all of them are p_keys, ascending; a use names its window by its index there.
-- Answers for each call 0 or which of its windows had no room, and how long to wait for it.
CREATE FUNCTION pace_2(
  p_now_ms bigint, p_grace_ms bigint, p_keys bytea[], p_admits boolean[], p_counts int[],
  p_slots int[], p_limits bigint[], p_windows bigint[]
) RETURNS TABLE(failed int[], waits bigint[]) LANGUAGE plpgsql AS $$
DECLARE
  v_at int := 0;
  v_times bigint[];
  v_counts bigint[];
  v_wait bigint;
  v_part bigint;
  v_time bigint;
  v_last int;
BEGIN
  INSERT INTO windows AS w (key, times, counts, forget_ms, bucket) SELECT k, '{}', '{}', 0, 0 FROM unnest(p_keys) AS k
  ON CONFLICT (key) DO UPDATE SET bucket = w.bucket WHERE false;
  failed := array_fill(0, ARRAY[cardinality(p_counts)]);
  waits := array_fill(0::bigint, ARRAY[cardinality(p_counts)]);
  FOR i IN 1 .. cardinality(p_counts) LOOP
    IF p_admits[i] THEN
      FOR j IN v_at + 1 .. v_at + p_counts[i] LOOP
        SELECT times, counts INTO v_times, v_counts FROM windows WHERE key = p_keys[p_slots[j]];
        v_wait := wait_2(p_now_ms, v_times, v_counts, p_limits[j], p_windows[j]);
        IF v_wait > 0 THEN
          failed[i] := j - v_at;
          waits[i] := v_wait;
          EXIT;
        END IF;
      END LOOP;
    END IF;
    IF failed[i] = 0 THEN
      FOR j IN v_at + 1 .. v_at + p_counts[i] LOOP
        SELECT times, counts INTO v_times, v_counts FROM windows WHERE key = p_keys[p_slots[j]];
        v_last := cardinality(v_times);
        IF p_admits[i] THEN
          -- Times ascend, so what has left the window is at the beginning.
          v_part := 1;
          WHILE v_part <= v_last AND p_now_ms - v_times[v_part] >= p_windows[j] LOOP v_part := v_part + 1; END LOOP;
          v_times := v_times[v_part:];
          v_counts := v_counts[v_part:];
          v_last := cardinality(v_times);
          -- Of a large limit, a part of the window counts as admitted at its end: never too early out of the window.
          v_part := CASE WHEN p_limits[j] <= 64 THEN 1 ELSE (p_windows[j] + 62) / 63 END;
          v_time := greatest((p_now_ms / v_part + 1) * v_part - 1, v_times[v_last]);
          IF v_times[v_last] = v_time THEN
            v_counts[v_last] := v_counts[v_last] + 1;
          ELSE
            v_times := v_times || v_time;
            v_counts := v_counts || 1::bigint;
          END IF;
        ELSIF v_counts[v_last] > 1 THEN
          v_counts[v_last] := v_counts[v_last] - 1;
        ELSE
          v_times := v_times[: v_last - 1];
          v_counts := v_counts[: v_last - 1];
        END IF;
        v_time := coalesce(v_times[cardinality(v_times)], 0) + p_windows[j] + p_grace_ms;
        -- Found by a bucket of 17 minutes, which seldom changes: then no index is written.
        UPDATE windows SET times = v_times, counts = v_counts, forget_ms = v_time, bucket = v_time >> 20
        WHERE key = p_keys[p_slots[j]];
      END LOOP;
    END IF;
    v_at := v_at + p_counts[i];
  END LOOP;
  DELETE FROM windows WHERE key = ANY(p_keys) AND times = '{}';
  RETURN NEXT;
END $$;

-- Marks, ascending: whether each is seen for the first time, or again after its time.
CREATE FUNCTION once_2(p_now_ms bigint, p_marks bytea[], p_until bigint[]) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
  v_first boolean[];
BEGIN
  FOR i IN 1 .. cardinality(p_marks) LOOP
    INSERT INTO marks AS m (key, until_ms) VALUES (p_marks[i], p_until[i])
    ON CONFLICT (key) DO UPDATE SET until_ms = excluded.until_ms WHERE m.until_ms <= p_now_ms;
    v_first[i] := FOUND;
  END LOOP;
  RETURN v_first;
END $$;

-- A claim that runs has an owner and no answer, and is never too old: it is somebody's.
CREATE FUNCTION claim_2(p_owner bigint, p_now_ms bigint, p_key bytea, p_digest bytea, p_until bigint)
RETURNS TABLE(state text, hex text) LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM owners WHERE id = p_owner AND pid = pg_backend_pid()) THEN
    RAISE EXCEPTION 'this session is not the owner it was' USING ERRCODE = 'TP001';
  END IF;
  INSERT INTO claims AS c (key, digest, owner, until_ms) VALUES (p_key, p_digest, p_owner, p_until)
  ON CONFLICT (key) DO UPDATE
    SET digest = excluded.digest, owner = excluded.owner, until_ms = excluded.until_ms, answer = NULL
    WHERE c.answer IS NOT NULL AND c.until_ms <= p_now_ms;
  IF FOUND THEN
    state := 'claimed';
  ELSE
    SELECT CASE WHEN c.digest <> p_digest THEN 'other' WHEN c.answer IS NULL THEN 'running' ELSE 'answered' END,
           CASE WHEN c.digest = p_digest THEN encode(c.answer, 'hex') END
    INTO state, hex FROM claims c WHERE c.key = p_key;
  END IF;
  RETURN NEXT;
END $$;

-- Removes what nothing can refer to any more, of each kind at most p_most; p_ended_ms is how long ago counters and
-- payments must have ended. One at a time does it, and leaves alone what somebody else has locked.
-- Answers how many rows it removed, and whether there may be more.
CREATE FUNCTION prune_2(p_now_ms bigint, p_ended_ms bigint, p_most int) RETURNS TABLE(removed int, more boolean)
LANGUAGE plpgsql AS $$
DECLARE
  v_keys bytea[];
  v_count int;
BEGIN
  removed := 0;
  more := false;
  IF pg_try_advisory_xact_lock(hashtextextended('turnpike prune ' || current_schema(), 0)) THEN
    v_keys := ARRAY(SELECT key FROM counters WHERE ends_ms <= p_ended_ms ORDER BY ends_ms LIMIT p_most
                    FOR UPDATE SKIP LOCKED);
    IF cardinality(v_keys) > 0 THEN
      -- Whoever reserves locks the counter first: with its lock, all reservations that hold it can be seen.
      DELETE FROM counters WHERE key = ANY(v_keys)
        AND key NOT IN (SELECT u.key FROM reservations r, uses_2(r.uses, r.meters, r.drawn) u);
      GET DIAGNOSTICS v_count = ROW_COUNT;
      more := cardinality(v_keys) = p_most AND v_count > 0;
      removed := removed + v_count;
    END IF;
    v_keys := ARRAY(SELECT payment_hash FROM redemptions WHERE ends_ms <= p_ended_ms ORDER BY ends_ms LIMIT p_most
                    FOR UPDATE SKIP LOCKED);
    DELETE FROM redemptions WHERE payment_hash = ANY(v_keys);
    more := more OR cardinality(v_keys) = p_most;
    removed := removed + cardinality(v_keys);
    v_keys := ARRAY(SELECT key FROM windows WHERE bucket <= p_now_ms >> 20 AND forget_ms <= p_now_ms
                    ORDER BY bucket LIMIT p_most FOR UPDATE SKIP LOCKED);
    DELETE FROM windows WHERE key = ANY(v_keys);
    more := more OR cardinality(v_keys) = p_most;
    removed := removed + cardinality(v_keys);
    v_keys := ARRAY(SELECT key FROM marks WHERE until_ms <= p_now_ms - ${RATE_GRACE_MS} ORDER BY until_ms LIMIT p_most
                    FOR UPDATE SKIP LOCKED);
    DELETE FROM marks WHERE key = ANY(v_keys);
    more := more OR cardinality(v_keys) = p_most;
    removed := removed + cardinality(v_keys);
    v_keys := ARRAY(SELECT key FROM claims WHERE answer IS NOT NULL AND until_ms <= p_now_ms - ${RATE_GRACE_MS} ORDER BY until_ms
                    LIMIT p_most FOR UPDATE SKIP LOCKED);
    DELETE FROM claims WHERE key = ANY(v_keys);
    more := more OR cardinality(v_keys) = p_most;
    removed := removed + cardinality(v_keys);
  END IF;
  RETURN NEXT;
END $$;
`
