-- Way back from migration 013: integration.integration_receive_serviceops.
--
-- The first of the three: 013, then 012, then 011.
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
         VALUES (1, 'correlation_id', NULL::text),
                (2, 'attempt_count', '1'),
                (3, 'resend_of_response_id', NULL),
                (4, 'payload_hash', NULL),
                (5, 'payload_version', '1')
     ),
     there AS (
         SELECT want.n, want.name, want.usual
         FROM want
         JOIN pg_attribute AS a ON a.attname = want.name AND NOT a.attisdropped
         JOIN pg_class AS t ON t.oid = a.attrelid AND t.relname = 'integration_receive_serviceops'
         JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'integration'
     ),
     counted (name, n) AS (
         -- ts_stat runs a text as a query, and this one names only columns that are there.
         SELECT split_part(one.word, ' ', 1), split_part(one.word, ' ', 2)::bigint
         FROM (SELECT format('SELECT array_to_tsvector(ARRAY[%s]) FROM integration.integration_receive_serviceops',
                             string_agg(CASE WHEN usual IS NULL THEN format('%1$L || count(%2$I)', name || ' ', name)
                                             ELSE format('%1$L || count(nullif(%2$I::text, %3$L))', name || ' ', name, usual) END,
                                        ', '))
               FROM there
               HAVING count(*) > 0) AS asked (query)
         CROSS JOIN LATERAL ts_stat(asked.query) AS one
     )
SELECT '013 loses ' || want.name AS "check",
       CASE WHEN there.name IS NULL OR lost.n = 0 THEN 'PASS' WHEN lost.n > 0 THEN 'WARN' ELSE 'FAIL' END AS status,
       CASE
           WHEN there.name IS NULL THEN 'the column is not there'
           WHEN lost.n IS NULL THEN 'the values could not be counted'
           ELSE CASE lost.n WHEN 0 THEN 'no response has ' WHEN 1 THEN '1 response has '
                            ELSE to_char(lost.n, 'FM999,999,999,999,990') || ' responses have ' END
               || CASE WHEN want.name ~ '^[aeio]' THEN 'an ' ELSE 'a ' END || want.name
               || coalesce(' other than ' || want.usual, '')
       END AS detail
FROM want
LEFT JOIN there ON there.n = want.n
LEFT JOIN counted AS lost ON lost.name = want.name
ORDER BY want.n;

-- ============================================================================
-- Rollback 013: integration_receive_serviceops
-- ============================================================================

-- A statement of its own, as documented; dropping the column would silently take it along.
ALTER TABLE integration.integration_receive_serviceops
    DROP CONSTRAINT IF EXISTS fk_irs_resend_of_response_id;

DROP INDEX IF EXISTS integration.idx_irs_correlation_id;
DROP INDEX IF EXISTS integration.idx_irs_resend_of_response_id;
DROP INDEX IF EXISTS integration.idx_irs_attempt_count;
DROP INDEX IF EXISTS integration.idx_irs_decision_attempt;

-- One ALTER for all: the columns are only marked as dropped, nothing is rewritten.
ALTER TABLE integration.integration_receive_serviceops
    DROP COLUMN IF EXISTS correlation_id,
    DROP COLUMN IF EXISTS attempt_count,
    DROP COLUMN IF EXISTS resend_of_response_id,
    DROP COLUMN IF EXISTS payload_hash,
    DROP COLUMN IF EXISTS payload_version;

-- ============================================================================
-- What is left
-- ============================================================================

SELECT '013 columns gone' AS "check",
       CASE WHEN count(*) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(string_agg(a.attname || ' is still there', '; ' ORDER BY a.attnum),
               'integration_receive_serviceops has none of them') AS detail
FROM pg_attribute AS a
JOIN pg_class AS t ON t.oid = a.attrelid AND t.relname = 'integration_receive_serviceops'
JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'integration'
WHERE NOT a.attisdropped
  AND a.attname IN ('correlation_id', 'attempt_count', 'resend_of_response_id', 'payload_hash',
                    'payload_version');

SELECT '013 indexes gone' AS "check",
       CASE WHEN count(*) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(string_agg(i.relname || ' is still there', '; ' ORDER BY i.relname),
               'integration has none of them') AS detail
FROM pg_class AS i
JOIN pg_namespace AS s ON s.oid = i.relnamespace AND s.nspname = 'integration'
WHERE i.relname IN ('idx_irs_correlation_id', 'idx_irs_resend_of_response_id', 'idx_irs_attempt_count',
                    'idx_irs_decision_attempt');

SELECT '013 foreign key gone' AS "check",
       CASE WHEN count(*) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(string_agg(format('%s is still there, on %s', f.conname, t.relname), '; '),
               'fk_irs_resend_of_response_id is not there') AS detail
FROM pg_constraint AS f
JOIN pg_class AS t ON t.oid = f.conrelid
JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'integration'
WHERE f.conname = 'fk_irs_resend_of_response_id';

-- By psql it commits here, whatever the rows above say; stagegate holds it back for a person's key.
COMMIT;
