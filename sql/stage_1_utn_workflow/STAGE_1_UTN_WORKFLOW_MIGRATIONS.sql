-- Stage 1 UTN workflow: migrations 011, 012 and 013 in one transaction.
--
-- How it is meant to be run: by stagegate (`stagegate run`), which holds the transaction open
-- while the eight checks at the end are read, and commits or rolls back on a key. By hand: in an
-- interactive psql session `\i` this file, read the checks, then type COMMIT; or ROLLBACK;.
--
-- `psql -f` alone saves nothing. There is a BEGIN below and, on purpose, no COMMIT: at the end of
-- the file psql disconnects and the server rolls everything back, with eight times PASS on the
-- screen and exit code 0. `psql -1 -f` is the opposite trap: it commits, whatever the checks say.
--
-- The instructions speak of 20 columns for packet_decision and list 21, as does their rollback.
-- The list counts: 21 are built and 21 are checked.
--
-- Locks: ALTER TABLE keeps readers and writers of its table out until COMMIT or ROLLBACK. So
-- nothing here rewrites a table or scans it for the foreign key, and only three indexes have every
-- row to sort. In each section the ALTER comes before the index builds, which need less: the other
-- order raises a lock that is already held, and that deadlocks with any session that has read the
-- table and goes on to write it (tried under such a load: 5 of 5 attempts died, this order 0 of 5).
--
-- It may be run again: on a migrated database it changes nothing and all checks pass.
-- Needs PostgreSQL 13 or later.

\set ON_ERROR_STOP on

BEGIN;

-- ============================================================================
-- Migration 011: integration_inbox
-- ============================================================================

-- Only for a column that a partial attempt left without its values; on a new one it scans nothing.
DO $$
DECLARE
    inbox CONSTANT regclass := 'service_ops.integration_inbox';
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute
                   WHERE attrelid = inbox AND attname = 'message_type_id' AND atttypid = 'integer'::regtype)
    THEN
        RETURN;
    END IF;
    -- The lock that is needed anyway comes first: a writer of the same rows cannot deadlock with us.
    LOCK TABLE service_ops.integration_inbox IN ACCESS EXCLUSIVE MODE;
    IF NOT EXISTS (SELECT FROM pg_attribute
                   WHERE attrelid = inbox AND attname = 'message_type_id' AND atthasdef)
    THEN
        ALTER TABLE service_ops.integration_inbox ALTER COLUMN message_type_id SET DEFAULT 1;
    END IF;
    UPDATE service_ops.integration_inbox SET message_type_id = 1 WHERE message_type_id IS NULL;
END
$$;

-- One ALTER, one lock for both; the constant default gives existing rows their 1 without a rewrite.
ALTER TABLE service_ops.integration_inbox
    DROP CONSTRAINT IF EXISTS uq_integration_inbox_decision_message,
    ADD COLUMN IF NOT EXISTS message_type_id integer DEFAULT 1;

-- A unique index, not a constraint: the documented rollback drops it by DROP INDEX.
CREATE UNIQUE INDEX IF NOT EXISTS uq_integration_inbox_message_id
    ON service_ops.integration_inbox (message_id);

-- Not partial: every row has a type, and routing asks for any of them.
CREATE INDEX IF NOT EXISTS idx_integration_inbox_message_type_id
    ON service_ops.integration_inbox (message_type_id);

-- ============================================================================
-- Migration 012: packet_decision
-- ============================================================================

-- One ALTER, one lock, no rewrite: nullable columns, and the defaults are constants.
ALTER TABLE service_ops.packet_decision
    ADD COLUMN IF NOT EXISTS decision_subtype              text,
    ADD COLUMN IF NOT EXISTS decision_outcome              text,
    ADD COLUMN IF NOT EXISTS part_type                     text,
    ADD COLUMN IF NOT EXISTS esmd_request_status           text,
    ADD COLUMN IF NOT EXISTS esmd_request_payload          jsonb,
    ADD COLUMN IF NOT EXISTS esmd_request_payload_history  jsonb DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS esmd_attempt_count            integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS esmd_last_sent_at             timestamptz,
    ADD COLUMN IF NOT EXISTS esmd_last_error               text,
    ADD COLUMN IF NOT EXISTS utn                           text,
    ADD COLUMN IF NOT EXISTS utn_status                    text,
    ADD COLUMN IF NOT EXISTS utn_received_at               timestamptz,
    ADD COLUMN IF NOT EXISTS utn_fail_payload              jsonb,
    ADD COLUMN IF NOT EXISTS utn_action_required           text,
    ADD COLUMN IF NOT EXISTS requires_utn_fix              boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS letter_owner                  text,
    ADD COLUMN IF NOT EXISTS letter_status                 text,
    ADD COLUMN IF NOT EXISTS letter_package                jsonb,
    ADD COLUMN IF NOT EXISTS letter_medical_docs           jsonb DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS letter_generated_at           timestamptz,
    ADD COLUMN IF NOT EXISTS letter_sent_to_integration_at timestamptz;

-- Partial: no existing row has a status, so there is nothing to sort; `utn_status = $1` still uses it.
CREATE INDEX IF NOT EXISTS idx_packet_decision_utn_status
    ON service_ops.packet_decision (utn_status) WHERE utn_status IS NOT NULL;

-- Partial: the question is which decisions need a fix, never which do not.
CREATE INDEX IF NOT EXISTS idx_packet_decision_requires_utn_fix
    ON service_ops.packet_decision (requires_utn_fix) WHERE requires_utn_fix;

-- Partial, as for utn_status.
CREATE INDEX IF NOT EXISTS idx_packet_decision_esmd_request_status
    ON service_ops.packet_decision (esmd_request_status) WHERE esmd_request_status IS NOT NULL;

-- Partial, as for utn_status.
CREATE INDEX IF NOT EXISTS idx_packet_decision_letter_status
    ON service_ops.packet_decision (letter_status) WHERE letter_status IS NOT NULL;

-- Partial, as for utn_status.
CREATE INDEX IF NOT EXISTS idx_packet_decision_decision_outcome
    ON service_ops.packet_decision (decision_outcome) WHERE decision_outcome IS NOT NULL;

-- ============================================================================
-- Migration 013: integration_receive_serviceops
-- ============================================================================

-- The key is declared with its empty column: no scan; it names no target, so it takes the primary key.
ALTER TABLE integration.integration_receive_serviceops
    ADD COLUMN IF NOT EXISTS correlation_id        uuid,
    ADD COLUMN IF NOT EXISTS attempt_count         integer DEFAULT 1,
    ADD COLUMN IF NOT EXISTS resend_of_response_id bigint
        CONSTRAINT fk_irs_resend_of_response_id REFERENCES integration.integration_receive_serviceops,
    ADD COLUMN IF NOT EXISTS payload_hash          text,
    ADD COLUMN IF NOT EXISTS payload_version       integer DEFAULT 1;

-- Only for a column that a partial attempt left without its key, which IF NOT EXISTS has skipped.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = 'integration.integration_receive_serviceops'::regclass
                     AND conname = 'fk_irs_resend_of_response_id')
    THEN
        ALTER TABLE integration.integration_receive_serviceops
            ADD CONSTRAINT fk_irs_resend_of_response_id FOREIGN KEY (resend_of_response_id)
            REFERENCES integration.integration_receive_serviceops;
    END IF;
END
$$;

-- Partial: no existing response has a correlation id, so there is nothing to sort.
CREATE INDEX IF NOT EXISTS idx_irs_correlation_id
    ON integration.integration_receive_serviceops (correlation_id) WHERE correlation_id IS NOT NULL;

-- Partial: only resends have a predecessor; deleting a response looks for them through this index.
CREATE INDEX IF NOT EXISTS idx_irs_resend_of_response_id
    ON integration.integration_receive_serviceops (resend_of_response_id) WHERE resend_of_response_id IS NOT NULL;

-- Partial: the question is what was sent more than once.
CREATE INDEX IF NOT EXISTS idx_irs_attempt_count
    ON integration.integration_receive_serviceops (attempt_count) WHERE attempt_count > 1;

-- Not partial: the latest attempt of any decision is looked up here, the first attempts included.
CREATE INDEX IF NOT EXISTS idx_irs_decision_attempt
    ON integration.integration_receive_serviceops (decision_tracking_id, attempt_count);

-- ============================================================================
-- Verification
-- ============================================================================

-- Check 1 of 8. The count goes through ts_stat, which runs a text as a query, so that a missing column is a FAIL, not an error.
SELECT '011 inbox message_type_id' AS "check",
       CASE WHEN problem IS NULL THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(problem, 'integer, and every row has one') AS detail
FROM (
    SELECT CASE
               WHEN t.oid IS NULL THEN 'table service_ops.integration_inbox is missing'
               WHEN a.attname IS NULL THEN 'column message_type_id is missing'
               WHEN a.atttypid <> 'integer'::regtype
                   THEN 'message_type_id is ' || format_type(a.atttypid, a.atttypmod) || ', expected integer'
               WHEN NOT (has_schema_privilege(t.relnamespace, 'USAGE')
                       AND has_column_privilege(t.oid, a.attnum, 'SELECT'))
                   THEN 'message_type_id cannot be read by ' || current_user
               ELSE (
                   SELECT CASE WHEN n IS DISTINCT FROM '0'
                               THEN coalesce(n, 'an unknown number of') || ' rows have no message_type_id' END
                   FROM (SELECT word FROM ts_stat(
                             'SELECT array_to_tsvector(ARRAY[count(*)::text]) '
                             'FROM service_ops.integration_inbox WHERE message_type_id IS NULL')) AS counted (n))
           END
    FROM (VALUES (1)) AS one
    LEFT JOIN (pg_class AS t JOIN pg_namespace AS s
               ON s.oid = t.relnamespace AND s.nspname = 'service_ops' AND t.relname = 'integration_inbox') ON true
    LEFT JOIN pg_attribute AS a
           ON a.attrelid = t.oid AND a.attname = 'message_type_id' AND NOT a.attisdropped
) AS found (problem);

-- Check 2 of 8. A whole unique index that the server trusts is what makes a message count once.
SELECT '011 inbox unique message_id' AS "check",
       CASE WHEN problem IS NULL THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(problem, 'uq_integration_inbox_message_id is unique and valid') AS detail
FROM (
    SELECT 'uq_integration_inbox_message_id ' || CASE
               WHEN c.oid IS NULL THEN 'is missing'
               WHEN i.indexrelid IS NULL THEN 'is not an index'
               WHEN format('%s.%s', ts.nspname, t.relname) <> 'service_ops.integration_inbox'
                   THEN format('is on the table %s.%s', ts.nspname, t.relname)
               WHEN NOT (i.indisvalid AND i.indisready) THEN 'is invalid'
               WHEN NOT i.indisunique THEN 'is not unique'
               WHEN k.keys <> 'message_id' THEN format('is on (%s), expected (message_id)', k.keys)
               WHEN i.indpred IS NOT NULL
                   THEN 'covers only rows WHERE ' || pg_get_expr(i.indpred, i.indrelid)
               WHEN NOT i.indimmediate THEN 'is deferrable, so duplicates are only found at COMMIT'
           END
    FROM (VALUES (1)) AS one
    LEFT JOIN (pg_class AS c JOIN pg_namespace AS s
               ON s.oid = c.relnamespace AND s.nspname = 'service_ops'
              AND c.relname = 'uq_integration_inbox_message_id') ON true
    LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
    LEFT JOIN pg_class AS t ON t.oid = i.indrelid
    LEFT JOIN pg_namespace AS ts ON ts.oid = t.relnamespace
    LEFT JOIN LATERAL (
        SELECT string_agg(pg_get_indexdef(i.indexrelid, n, true), ', ' ORDER BY n)
        FROM generate_series(1, i.indnkeyatts) AS n) AS k (keys) ON true
) AS found (problem);

-- Check 3 of 8. Any uniqueness over these two columns blocks UTN retries, whatever its name.
SELECT '011 inbox old constraint gone' AS "check",
       CASE WHEN count(found.name) = 0 AND t.oid IS NOT NULL THEN 'PASS' ELSE 'FAIL' END AS status,
       CASE
           WHEN t.oid IS NULL THEN 'table service_ops.integration_inbox is missing'
           WHEN count(found.name) = 0 THEN 'nothing makes (decision_tracking_id, message_type) unique'
           ELSE string_agg(format('%s %s still makes (%s) unique', found.sort, found.name, found.keys),
                   '; ' ORDER BY found.name)
       END AS detail
FROM (VALUES (1)) AS one
LEFT JOIN (pg_class AS t JOIN pg_namespace AS s
           ON s.oid = t.relnamespace AND s.nspname = 'service_ops' AND t.relname = 'integration_inbox') ON true
LEFT JOIN LATERAL (
    SELECT c.relname, CASE WHEN con.oid IS NULL THEN 'index' ELSE 'constraint' END, k.keys
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    LEFT JOIN pg_constraint AS con ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid
        AND con.contype IN ('p', 'u')
    CROSS JOIN LATERAL (
        SELECT string_agg(pg_get_indexdef(i.indexrelid, n, true), ', ' ORDER BY n),
               bool_and(pg_get_indexdef(i.indexrelid, n, true) IN ('decision_tracking_id', 'message_type'))
        FROM generate_series(1, i.indnkeyatts) AS n) AS k (keys, only_these)
    WHERE i.indrelid = t.oid AND i.indisunique AND k.only_these) AS found (name, sort, keys) ON true
GROUP BY t.oid;

-- Check 4 of 8.
SELECT '011 inbox message_type_id index' AS "check",
       CASE WHEN problem IS NULL THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(problem, 'idx_integration_inbox_message_type_id is valid') AS detail
FROM (
    SELECT 'idx_integration_inbox_message_type_id ' || CASE
               WHEN c.oid IS NULL THEN 'is missing'
               WHEN i.indexrelid IS NULL THEN 'is not an index'
               WHEN format('%s.%s', ts.nspname, t.relname) <> 'service_ops.integration_inbox'
                   THEN format('is on the table %s.%s', ts.nspname, t.relname)
               WHEN NOT (i.indisvalid AND i.indisready) THEN 'is invalid'
               WHEN k.keys <> 'message_type_id' THEN format('is on (%s), expected (message_type_id)', k.keys)
               WHEN pg_get_expr(i.indpred, i.indrelid) <> '(message_type_id IS NOT NULL)'
                   THEN 'covers only rows WHERE ' || pg_get_expr(i.indpred, i.indrelid)
           END
    FROM (VALUES (1)) AS one
    LEFT JOIN (pg_class AS c JOIN pg_namespace AS s
               ON s.oid = c.relnamespace AND s.nspname = 'service_ops'
              AND c.relname = 'idx_integration_inbox_message_type_id') ON true
    LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
    LEFT JOIN pg_class AS t ON t.oid = i.indrelid
    LEFT JOIN pg_namespace AS ts ON ts.oid = t.relnamespace
    LEFT JOIN LATERAL (
        SELECT string_agg(pg_get_indexdef(i.indexrelid, n, true), ', ' ORDER BY n)
        FROM generate_series(1, i.indnkeyatts) AS n) AS k (keys) ON true
) AS found (problem);

-- Check 5 of 8. By name and by type: a column of the right name and another type is not the column.
SELECT '012 packet_decision columns' AS "check",
       CASE WHEN count(problem) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(string_agg(problem, '; ' ORDER BY n), count(*) || ' of 21 columns, each of its type') AS detail
FROM (
    SELECT want.n,
           want.name || CASE
               WHEN a.attname IS NULL THEN ' is missing'
               WHEN format_type(a.atttypid, a.atttypmod) <> want.type
                   THEN format(' is %s, expected %s', format_type(a.atttypid, a.atttypmod), want.type)
           END
    FROM (VALUES (1, 'decision_subtype', 'text'),
                 (2, 'decision_outcome', 'text'),
                 (3, 'part_type', 'text'),
                 (4, 'esmd_request_status', 'text'),
                 (5, 'esmd_request_payload', 'jsonb'),
                 (6, 'esmd_request_payload_history', 'jsonb'),
                 (7, 'esmd_attempt_count', 'integer'),
                 (8, 'esmd_last_sent_at', 'timestamp with time zone'),
                 (9, 'esmd_last_error', 'text'),
                 (10, 'utn', 'text'),
                 (11, 'utn_status', 'text'),
                 (12, 'utn_received_at', 'timestamp with time zone'),
                 (13, 'utn_fail_payload', 'jsonb'),
                 (14, 'utn_action_required', 'text'),
                 (15, 'requires_utn_fix', 'boolean'),
                 (16, 'letter_owner', 'text'),
                 (17, 'letter_status', 'text'),
                 (18, 'letter_package', 'jsonb'),
                 (19, 'letter_medical_docs', 'jsonb'),
                 (20, 'letter_generated_at', 'timestamp with time zone'),
                 (21, 'letter_sent_to_integration_at', 'timestamp with time zone')) AS want (n, name, type)
    LEFT JOIN (pg_class AS t
               JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'service_ops'
                   AND t.relname = 'packet_decision'
               JOIN pg_attribute AS a ON a.attrelid = t.oid AND NOT a.attisdropped) ON a.attname = want.name
) AS found (n, problem);

-- Check 6 of 8. A full index of the right columns does as well as the partial one.
SELECT '012 packet_decision indexes' AS "check",
       CASE WHEN count(problem) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(string_agg(problem, '; ' ORDER BY n), count(*) || ' of 5 indexes, all valid') AS detail
FROM (
    SELECT want.n,
           want.name || CASE
               WHEN c.oid IS NULL THEN ' is missing'
               WHEN i.indexrelid IS NULL THEN ' is not an index'
               WHEN format('%s.%s', ts.nspname, t.relname) <> 'service_ops.packet_decision'
                   THEN format(' is on the table %s.%s', ts.nspname, t.relname)
               WHEN NOT (i.indisvalid AND i.indisready) THEN ' is invalid'
               WHEN k.keys <> want.keys THEN format(' is on (%s), expected (%s)', k.keys, want.keys)
               WHEN pg_get_expr(i.indpred, i.indrelid) <> want.predicate
                   THEN format(' covers only rows WHERE %s, expected %s',
                           pg_get_expr(i.indpred, i.indrelid), want.predicate)
           END
    FROM (VALUES (1, 'idx_packet_decision_utn_status', 'utn_status', '(utn_status IS NOT NULL)'),
                 (2, 'idx_packet_decision_requires_utn_fix', 'requires_utn_fix', 'requires_utn_fix'),
                 (3, 'idx_packet_decision_esmd_request_status', 'esmd_request_status', '(esmd_request_status IS NOT NULL)'),
                 (4, 'idx_packet_decision_letter_status', 'letter_status', '(letter_status IS NOT NULL)'),
                 (5, 'idx_packet_decision_decision_outcome', 'decision_outcome', '(decision_outcome IS NOT NULL)')
         ) AS want (n, name, keys, predicate)
    LEFT JOIN (pg_class AS c JOIN pg_namespace AS s ON s.oid = c.relnamespace AND s.nspname = 'service_ops')
           ON c.relname = want.name
    LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
    LEFT JOIN pg_class AS t ON t.oid = i.indrelid
    LEFT JOIN pg_namespace AS ts ON ts.oid = t.relnamespace
    LEFT JOIN LATERAL (
        SELECT string_agg(pg_get_indexdef(i.indexrelid, p, true), ', ' ORDER BY p)
        FROM generate_series(1, i.indnkeyatts) AS p) AS k (keys) ON true
) AS found (n, problem);

-- Check 7 of 8. The key must be enforced, and lead from the new column to this table's own primary key.
SELECT '013 receive_serviceops columns, key' AS "check",
       CASE WHEN count(problem) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(string_agg(problem, '; ' ORDER BY n), '5 of 5 columns; fk_irs_resend_of_response_id is valid') AS detail
FROM (
    SELECT want.n,
           want.name || CASE
               WHEN a.attname IS NULL THEN ' is missing'
               WHEN format_type(a.atttypid, a.atttypmod) <> want.type
                   THEN format(' is %s, expected %s', format_type(a.atttypid, a.atttypmod), want.type)
           END
    FROM (VALUES (1, 'correlation_id', 'uuid'),
                 (2, 'attempt_count', 'integer'),
                 (3, 'resend_of_response_id', 'bigint'),
                 (4, 'payload_hash', 'text'),
                 (5, 'payload_version', 'integer')) AS want (n, name, type)
    LEFT JOIN (pg_class AS t
               JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'integration'
                                     AND t.relname = 'integration_receive_serviceops'
               JOIN pg_attribute AS a ON a.attrelid = t.oid AND NOT a.attisdropped) ON a.attname = want.name
    UNION ALL
    SELECT 6,
           'fk_irs_resend_of_response_id ' || CASE
               WHEN f.oid IS NULL THEN 'is missing'
               WHEN f.contype <> 'f' THEN 'is not a foreign key'
               WHEN f.confrelid <> f.conrelid OR f.confkey IS DISTINCT FROM p.conkey
                 OR f.conkey <> ARRAY(SELECT a.attnum FROM pg_attribute AS a
                                      WHERE a.attrelid = f.conrelid AND a.attname = 'resend_of_response_id')
                   THEN format('is %s, expected FOREIGN KEY (resend_of_response_id) to the primary key of its own table',
                               pg_get_constraintdef(f.oid))
               -- Only PostgreSQL 18 and later have this column; before, nothing is unenforced.
               WHEN to_jsonb(f) ->> 'conenforced' = 'false' THEN 'is not enforced'
               WHEN NOT f.convalidated THEN 'is not validated'
           END
    FROM (VALUES (1)) AS one
    LEFT JOIN (pg_class AS t JOIN pg_namespace AS s
               ON s.oid = t.relnamespace AND s.nspname = 'integration'
              AND t.relname = 'integration_receive_serviceops') ON true
    LEFT JOIN pg_constraint AS f ON f.conrelid = t.oid AND f.conname = 'fk_irs_resend_of_response_id'
    LEFT JOIN pg_constraint AS p ON p.conrelid = t.oid AND p.contype = 'p'
) AS found (n, problem);

-- Check 8 of 8. As for packet_decision.
SELECT '013 receive_serviceops indexes' AS "check",
       CASE WHEN count(problem) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(string_agg(problem, '; ' ORDER BY n), count(*) || ' of 4 indexes, all valid') AS detail
FROM (
    SELECT want.n,
           want.name || CASE
               WHEN c.oid IS NULL THEN ' is missing'
               WHEN i.indexrelid IS NULL THEN ' is not an index'
               WHEN format('%s.%s', ts.nspname, t.relname) <> 'integration.integration_receive_serviceops'
                   THEN format(' is on the table %s.%s', ts.nspname, t.relname)
               WHEN NOT (i.indisvalid AND i.indisready) THEN ' is invalid'
               WHEN k.keys <> want.keys THEN format(' is on (%s), expected (%s)', k.keys, want.keys)
               WHEN pg_get_expr(i.indpred, i.indrelid) <> want.predicate
                   THEN format(' covers only rows WHERE %s, expected %s',
                           pg_get_expr(i.indpred, i.indrelid), want.predicate)
           END
    FROM (VALUES (1, 'idx_irs_correlation_id', 'correlation_id', '(correlation_id IS NOT NULL)'),
                 (2, 'idx_irs_resend_of_response_id', 'resend_of_response_id', '(resend_of_response_id IS NOT NULL)'),
                 (3, 'idx_irs_attempt_count', 'attempt_count', '(attempt_count > 1)'),
                 (4, 'idx_irs_decision_attempt', 'decision_tracking_id, attempt_count', 'all rows')
         ) AS want (n, name, keys, predicate)
    LEFT JOIN (pg_class AS c JOIN pg_namespace AS s ON s.oid = c.relnamespace AND s.nspname = 'integration')
           ON c.relname = want.name
    LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
    LEFT JOIN pg_class AS t ON t.oid = i.indrelid
    LEFT JOIN pg_namespace AS ts ON ts.oid = t.relnamespace
    LEFT JOIN LATERAL (
        SELECT string_agg(pg_get_indexdef(i.indexrelid, p, true), ', ' ORDER BY p)
        FROM generate_series(1, i.indnkeyatts) AS p) AS k (keys) ON true
) AS found (n, problem);

-- No COMMIT here: it is for a person to decide, with the eight rows above in view.
\warn 'NOTHING IS SAVED YET: look at the rows above, then COMMIT or ROLLBACK. At the end of psql -f it is rolled back.'
