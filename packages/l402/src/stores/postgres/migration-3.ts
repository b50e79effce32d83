import { PACE_3 } from './pace-3.ts'

/**
 * Brings a schema of version 2 to version 3: windows end with their credential, and a claim whose process dies while it
 * is being served has an outcome.
 *
 * Gateways of version 2 that are connected go on working until they lose their connection: what they write of windows
 * and claims means what it did. Nothing is rewritten.
 */
export const MIGRATION_3: string = `
LOCK TABLE owners IN ACCESS EXCLUSIVE MODE;
LOCK TABLE claims IN ACCESS EXCLUSIVE MODE;

-- if_lost: what the claim comes to if its owner dies; null: nothing has happened, and the claim is nobody's then.
ALTER TABLE claims ADD COLUMN if_lost bytea;

${PACE_3}

-- As before, and claims that were being served come to what was said of them.
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
  UPDATE claims SET owner = NULL, answer = if_lost, if_lost = NULL WHERE owner = ANY(p_owners) AND if_lost IS NOT NULL;
  DELETE FROM claims WHERE owner = ANY(p_owners);
  DELETE FROM owners WHERE id = ANY(p_owners);
END $$;
`
