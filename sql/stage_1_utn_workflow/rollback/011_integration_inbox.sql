-- Way back from migration 011: service_ops.integration_inbox.
--
-- The last of the three: after 013 and 012.
-- Three parts: what would be lost (counted, WARN where there is something), the DDL, and checks of
-- what is left. It also cleans up where the migration was applied only in part.
--
-- Sections that say (if needed) are left out together: key d on the checklist of `stagegate rollback`.
--
-- Dropping columns cannot be undone, so a person reads both sets of checks first: `stagegate rollback`
-- holds the COMMIT at the end back for a key. In an emergency `psql -f` does it without that, and
-- commits whatever the checks say; after an error it stops and nothing is saved.

\set ON_ERROR_STOP on

BEGIN;

-- ============================================================================
-- What would be lost
-- ============================================================================

-- Types other than 1; a row of type 1 is what every row was before.
WITH want (n, name, usual) AS (
         VALUES (1, 'message_type_id', '1')
     ),
     there AS (
         SELECT want.n, want.name, want.usual
         FROM want
         JOIN pg_attribute AS a ON a.attname = want.name AND NOT a.attisdropped
         JOIN pg_class AS t ON t.oid = a.attrelid AND t.relname = 'integration_inbox'
         JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'service_ops'
     ),
     counted (name, n) AS (
         -- ts_stat runs a text as a query, and this one names only columns that are there.
         SELECT split_part(one.word, ' ', 1), split_part(one.word, ' ', 2)::bigint
         FROM (SELECT format('SELECT array_to_tsvector(ARRAY[%s]) FROM service_ops.integration_inbox',
                             string_agg(CASE WHEN usual IS NULL THEN format('%1$L || count(%2$I)', name || ' ', name)
                                             ELSE format('%1$L || count(nullif(%2$I::text, %3$L))', name || ' ', name, usual) END,
                                        ', '))
               FROM there
               HAVING count(*) > 0) AS asked (query)
         CROSS JOIN LATERAL ts_stat(asked.query) AS one
     )
SELECT '011 loses ' || want.name AS "check",
       CASE WHEN there.name IS NULL OR lost.n = 0 THEN 'PASS' WHEN lost.n > 0 THEN 'WARN' ELSE 'FAIL' END AS status,
       CASE
           WHEN there.name IS NULL THEN 'the column is not there'
           WHEN lost.n IS NULL THEN 'the values could not be counted'
           ELSE CASE lost.n WHEN 0 THEN 'no message has ' WHEN 1 THEN '1 message has '
                            ELSE to_char(lost.n, 'FM999,999,999,999,990') || ' messages have ' END
               || CASE WHEN want.name ~ '^[aeio]' THEN 'an ' ELSE 'a ' END || want.name
               || coalesce(' other than ' || want.usual, '')
       END AS detail
FROM want
LEFT JOIN there ON there.n = want.n
LEFT JOIN counted AS lost ON lost.name = want.name
ORDER BY want.n;

-- UTN retries are what the migration was for. Without the restore below they stay; nothing is lost.
SELECT '011 repeated pairs' AS "check",
       CASE WHEN count(*) = 0 THEN 'PASS' ELSE 'WARN' END AS status,
       CASE
           WHEN count(*) = 0 THEN 'no two messages have the same (decision_tracking_id, message_type)'
           ELSE format('%s of (decision_tracking_id, message_type) more than once: %s',
                       CASE count(*) WHEN 1 THEN '1 pair is there' ELSE count(*) || ' pairs are there' END,
                       string_agg(format('(%s, %s) %s times', decision_tracking_id, message_type, times), ', '
                                  ORDER BY place) FILTER (WHERE place <= 5)
                           || CASE WHEN count(*) > 5 THEN ', ...' ELSE '' END)
       END AS detail
FROM (SELECT decision_tracking_id, message_type, count(*) AS times,
             row_number() OVER (ORDER BY decision_tracking_id, message_type) AS place
      FROM service_ops.integration_inbox
      WHERE decision_tracking_id IS NOT NULL AND message_type IS NOT NULL
      GROUP BY decision_tracking_id, message_type
      HAVING count(*) > 1) AS repeated;

-- ============================================================================
-- What would be lost: can the old constraint come back (if needed)
-- ============================================================================

-- Not as long as a pair is there twice: the restore below would fail on it.
SELECT '011 old constraint can come back' AS "check",
       CASE WHEN count(*) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       CASE
           WHEN count(*) = 0 THEN 'no two messages have the same (decision_tracking_id, message_type)'
           ELSE format('UNIQUE (decision_tracking_id, message_type) fails on %s: %s. Settle them first, '
                           'or leave the restore out: d on the checklist (leave-out by lines), or --without-restore',
                       CASE count(*) WHEN 1 THEN '1 repeated pair' ELSE count(*) || ' repeated pairs' END,
                       string_agg(format('(%s, %s) %s times', decision_tracking_id, message_type, times), ', '
                                  ORDER BY place) FILTER (WHERE place <= 5)
                           || CASE WHEN count(*) > 5 THEN ', ...' ELSE '' END)
       END AS detail
FROM (SELECT decision_tracking_id, message_type, count(*) AS times,
             row_number() OVER (ORDER BY decision_tracking_id, message_type) AS place
      FROM service_ops.integration_inbox
      WHERE decision_tracking_id IS NOT NULL AND message_type IS NOT NULL
      GROUP BY decision_tracking_id, message_type
      HAVING count(*) > 1) AS repeated;

-- ============================================================================
-- Rollback 011: integration_inbox
-- ============================================================================

DROP INDEX IF EXISTS service_ops.idx_integration_inbox_message_type_id;

-- The migration builds an index; where somebody made a constraint of it, DROP INDEX alone would fail.
ALTER TABLE service_ops.integration_inbox
    DROP CONSTRAINT IF EXISTS uq_integration_inbox_message_id;
DROP INDEX IF EXISTS service_ops.uq_integration_inbox_message_id;

-- Only marked as dropped, nothing is rewritten.
ALTER TABLE service_ops.integration_inbox
    DROP COLUMN IF EXISTS message_type_id;

-- ============================================================================
-- Restore the old constraint (if needed)
-- ============================================================================

-- Restores it, unless it never went; ADD CONSTRAINT knows no IF NOT EXISTS.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = 'service_ops.integration_inbox'::regclass
                     AND conname = 'uq_integration_inbox_decision_message')
    THEN
        ALTER TABLE service_ops.integration_inbox
            ADD CONSTRAINT uq_integration_inbox_decision_message UNIQUE (decision_tracking_id, message_type);
    END IF;
END
$$;

-- ============================================================================
-- What is left
-- ============================================================================

SELECT '011 columns gone' AS "check",
       CASE WHEN count(*) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(string_agg(a.attname || ' is still there', '; ' ORDER BY a.attnum),
               'integration_inbox has none of them') AS detail
FROM pg_attribute AS a
JOIN pg_class AS t ON t.oid = a.attrelid AND t.relname = 'integration_inbox'
JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'service_ops'
WHERE NOT a.attisdropped
  AND a.attname IN ('message_type_id');

SELECT '011 indexes gone' AS "check",
       CASE WHEN count(*) = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(string_agg(i.relname || ' is still there', '; ' ORDER BY i.relname),
               'service_ops has none of them') AS detail
FROM pg_class AS i
JOIN pg_namespace AS s ON s.oid = i.relnamespace AND s.nspname = 'service_ops'
WHERE i.relname IN ('idx_integration_inbox_message_type_id', 'uq_integration_inbox_message_id');

-- ============================================================================
-- What is left: the old constraint (if needed)
-- ============================================================================

SELECT '011 old constraint is back' AS "check",
       CASE WHEN definition = 'UNIQUE (decision_tracking_id, message_type)' THEN 'PASS' ELSE 'FAIL' END AS status,
       'uq_integration_inbox_decision_message '
           || CASE WHEN definition IS NULL THEN 'is missing' ELSE 'is ' || definition END AS detail
FROM (VALUES (1)) AS one
LEFT JOIN (
    SELECT pg_get_constraintdef(o.oid)
    FROM pg_constraint AS o
    JOIN pg_class AS t ON t.oid = o.conrelid AND t.relname = 'integration_inbox'
    JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'service_ops'
    WHERE o.conname = 'uq_integration_inbox_decision_message') AS old (definition) ON true;

-- By psql it commits here, whatever the rows above say; stagegate holds it back for a person's key.
COMMIT;
