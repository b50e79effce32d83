/**
 * As `pace_2` (marks-2.ts), and a window is forgotten when it has ended: p_ends is when, its grace included, null for
 * never. Answers for each use of a call that was admitted how many more its window admits, too.
 */
export const PACE_3: string = `
CREATE FUNCTION pace_3(
  p_now_ms bigint, p_grace_ms bigint, p_keys bytea[], p_admits boolean[], p_counts int[],
  p_slots int[], p_limits bigint[], p_windows bigint[], p_ends bigint[]
) RETURNS TABLE(failed int[], waits bigint[], lefts bigint[]) LANGUAGE plpgsql AS $$
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
  lefts := array_fill(0::bigint, ARRAY[cardinality(p_slots)]);
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
        v_time := least(coalesce(v_times[cardinality(v_times)], 0) + p_windows[j] + p_grace_ms, p_ends[j]);
        -- Found by a bucket of 17 minutes, which seldom changes: then no index is written.
        UPDATE windows SET times = v_times, counts = v_counts, forget_ms = v_time, bucket = v_time >> 20
        WHERE key = p_keys[p_slots[j]];
        lefts[j] := greatest(0, p_limits[j] - (SELECT coalesce(sum(c), 0) FROM unnest(v_counts) AS c));
      END LOOP;
    END IF;
    v_at := v_at + p_counts[i];
  END LOOP;
  DELETE FROM windows WHERE key = ANY(p_keys) AND times = '{}';
  RETURN NEXT;
END $$;
`
