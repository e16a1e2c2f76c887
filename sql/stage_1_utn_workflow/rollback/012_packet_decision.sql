-- Way back from migration 012: service_ops.packet_decision.
--
-- The second of the three: after 013, before 011.
-- Three parts: what would be lost (counted, WARN where there is something), the DDL, and checks of
-- what is left. It also cleans up where the migration was applied only in part.
--
-- Dropping columns cannot be undone, so a person reads both sets of checks first: `stagegate rollback`
-- holds the COMMIT at the end back for a key. In an emergency `psql -f` does it without that, and
-- commits whatever the checks say; after an error it stops and nothing is saved.

\set ON_ERROR_STOP on

BEGIN;

-- ============================================================================
-- What would be lost
-- ============================================================================

-- Values other than the default that the migration gave; one scan for all of them, before any lock.
WITH want (n, name, usual) AS (
         VALUES (1, 'decision_subtype', NULL::text),
                (2, 'decision_outcome', NULL),
                (3, 'part_type', NULL),
                (4, 'esmd_request_status', NULL),
                (5, 'esmd_request_payload', NULL),
                (6, 'esmd_request_payload_history', '[]'),
                (7, 'esmd_attempt_count', '0'),
                (8, 'esmd_last_sent_at', NULL),
                (9, 'esmd_last_error', NULL),
                (10, 'utn', NULL),
                (11, 'utn_status', NULL),
                (12, 'utn_received_at', NULL),
                (13, 'utn_fail_payload', NULL),
                (14, 'utn_action_required', NULL),
                (15, 'requires_utn_fix', 'false'),
                (16, 'letter_owner', NULL),
                (17, 'letter_status', NULL),
                (18, 'letter_package', NULL),
                (19, 'letter_medical_docs', '[]'),
                (20, 'letter_generated_at', NULL),
                (21, 'letter_sent_to_integration_at', NULL)
     ),
     there AS (
         SELECT want.n, want.name, want.usual
         FROM want
         JOIN pg_attribute AS a ON a.attname = want.name AND NOT a.attisdropped
         JOIN pg_class AS t ON t.oid = a.attrelid AND t.relname = 'packet_decision'
         JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'service_ops'
     ),
     counted (name, n) AS (
         -- ts_stat runs a text as a query, and this one names only columns that are there.
         SELECT split_part(one.word, ' ', 1), split_part(one.word, ' ', 2)::bigint
         FROM (SELECT format('SELECT array_to_tsvector(ARRAY[%s]) FROM service_ops.packet_decision',
                             string_agg(CASE WHEN usual IS NULL THEN format('%1$L || count(%2$I)', name || ' ', name)
                                             ELSE format('%1$L || count(nullif(%2$I::text, %3$L))', name || ' ', name, usual) END,
                                        ', '))
               FROM there
               HAVING count(*) > 0) AS asked (query)
         CROSS JOIN LATERAL ts_stat(asked.query) AS one
     )
SELECT '012 loses ' || want.name AS "check",
       CASE WHEN there.name IS NULL OR lost.n = 0 THEN 'PASS' WHEN lost.n > 0 THEN 'WARN' ELSE 'FAIL' END AS status,
       CASE
           WHEN there.name IS NULL THEN 'the column is not there'
           WHEN lost.n IS NULL THEN 'the values could not be counted'
           ELSE CASE lost.n WHEN 0 THEN 'no decision has ' WHEN 1 THEN '1 decision has '
                            ELSE to_char(lost.n, 'FM999,999,999,999,990') || ' decisions have ' END
               || CASE WHEN want.name ~ '^[aeio]' THEN 'an ' ELSE 'a ' END || want.name
               || coalesce(' other than ' || want.usual, '')
       END AS detail
FROM want
LEFT JOIN there ON there.n = want.n
LEFT JOIN counted AS lost ON lost.name = want.name
ORDER BY want.n;

-- ============================================================================
-- Rollback 012: packet_decision
-- ============================================================================

DROP INDEX IF EXISTS service_ops.idx_packet_decision_utn_status;
DROP INDEX IF EXISTS service_ops.idx_packet_decision_requires_utn_fix;
DROP INDEX IF EXISTS service_ops.idx_packet_decision_esmd_request_status;
DROP INDEX IF EXISTS service_ops.idx_packet_decision_letter_status;
DROP INDEX IF EXISTS service_ops.idx_packet_decision_decision_outcome;

-- One ALTER for all 21: the columns are only marked as dropped, nothing is rewritten.
ALTER TABLE service_ops.packet_decision
    DROP COLUMN IF EXISTS decision_subtype,
    DROP COLUMN IF EXISTS decision_outcome,
    DROP COLUMN IF EXISTS part_type,
    DROP COLUMN IF EXISTS esmd_request_status,
    DROP COLUMN IF EXISTS esmd_request_payload,
    DROP COLUMN IF EXISTS esmd_request_payload_history,
    DROP COLUMN IF EXISTS esmd_attempt_count,
    DROP COLUMN IF EXISTS esmd_last_sent_at,
    DROP COLUMN IF EXISTS esmd_last_error,
    DROP COLUMN IF EXISTS utn,
    DROP COLUMN IF EXISTS utn_status,
    DROP COLUMN IF EXISTS utn_received_at,
    DROP COLUMN IF EXISTS utn_fail_payload,
    DROP COLUMN IF EXISTS utn_action_required,
    DROP COLUMN IF EXISTS requires_utn_fix,
    DROP COLUMN IF EXISTS letter_owner,
    DROP COLUMN IF EXISTS letter_status,
    DROP COLUMN IF EXISTS letter_package,
    DROP COLUMN IF EXISTS letter_medical_docs,
    DROP COLUMN IF EXISTS letter_generated_at,
    DROP COLUMN IF EXISTS letter_sent_to_integration_at;

-- ============================================================================
-- What is left
-- ============================================================================

SELECT '012 columns gone' AS "check",
       CASE WHEN count(*) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(string_agg(a.attname || ' is still there', '; ' ORDER BY a.attnum),
               'packet_decision has none of them') AS detail
FROM pg_attribute AS a
JOIN pg_class AS t ON t.oid = a.attrelid AND t.relname = 'packet_decision'
JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'service_ops'
WHERE NOT a.attisdropped
  AND a.attname IN ('decision_subtype', 'decision_outcome', 'part_type', 'esmd_request_status',
                    'esmd_request_payload', 'esmd_request_payload_history', 'esmd_attempt_count',
                    'esmd_last_sent_at', 'esmd_last_error', 'utn', 'utn_status', 'utn_received_at',
                    'utn_fail_payload', 'utn_action_required', 'requires_utn_fix', 'letter_owner',
                    'letter_status', 'letter_package', 'letter_medical_docs', 'letter_generated_at',
                    'letter_sent_to_integration_at');

SELECT '012 indexes gone' AS "check",
       CASE WHEN count(*) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(string_agg(i.relname || ' is still there', '; ' ORDER BY i.relname),
               'service_ops has none of them') AS detail
FROM pg_class AS i
JOIN pg_namespace AS s ON s.oid = i.relnamespace AND s.nspname = 'service_ops'
WHERE i.relname IN ('idx_packet_decision_utn_status', 'idx_packet_decision_requires_utn_fix',
                    'idx_packet_decision_esmd_request_status', 'idx_packet_decision_letter_status',
                    'idx_packet_decision_decision_outcome');

-- By psql it commits here, whatever the rows above say; stagegate holds it back for a person's key.
COMMIT;
