-- Before the migration: is everything as the script expects it?
--
-- It only reads, and runs in a READ ONLY transaction. Whatever is missing is a FAIL row and never
-- an SQL error: objects are looked up in the catalogs by name, and what needs the table itself goes
-- through ts_stat, which runs a text as a query, once it is known to be there. FAIL: the script would stop or its own checks
-- would fail. WARN: it would run, but a person should know.

-- ============================================================================
-- Server, schemas, tables
-- ============================================================================

SELECT 'server' AS "check",
       CASE WHEN pg_is_in_recovery() OR current_setting('server_version_num')::int < 130000
            THEN 'FAIL' ELSE 'PASS' END AS status,
       'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)
           || CASE WHEN pg_is_in_recovery() THEN ', a standby: nothing can be changed here' ELSE ', primary' END
           || CASE WHEN current_setting('server_version_num')::int < 130000 THEN ', but 13 or later is needed'
               ELSE '' END AS detail;

-- CREATE on the schema is needed to build an index, even by the owner of the table.
SELECT 'schema ' || want.name AS "check",
       CASE WHEN s.oid IS NOT NULL AND has_schema_privilege(s.oid, 'USAGE') AND has_schema_privilege(s.oid, 'CREATE')
            THEN 'PASS' ELSE 'FAIL' END AS status,
       CASE
           WHEN s.oid IS NULL THEN 'is missing'
           WHEN NOT has_schema_privilege(s.oid, 'USAGE') THEN current_user || ' has no USAGE on it'
           WHEN NOT has_schema_privilege(s.oid, 'CREATE')
                   THEN current_user || ' has no CREATE on it, which CREATE INDEX needs'
           ELSE 'is there, and ' || current_user || ' may create in it'
       END AS detail
FROM (VALUES (1, 'service_ops'), (2, 'integration')) AS want (n, name)
LEFT JOIN pg_namespace AS s ON s.nspname = want.name
ORDER BY want.n;

-- A table that was never analysed has -1 rows in the catalog, and before PostgreSQL 14 it has 0.
SELECT format('table %s.%s', want.schema, want.name) AS "check",
       CASE WHEN t.relkind = 'r' THEN 'PASS' ELSE 'FAIL' END AS status,
       CASE
           WHEN t.oid IS NULL THEN 'is missing'
           WHEN t.relkind = 'r' THEN format(
               '%s, %s',
               CASE
                   WHEN t.reltuples < 0 OR (t.reltuples = 0 AND t.relpages = 0
                                            AND current_setting('server_version_num')::int < 140000)
                       THEN 'not analysed, so nobody knows how many rows'
                   ELSE format('about %s rows', to_char(t.reltuples, 'FM999,999,999,990'))
               END,
               pg_size_pretty(pg_total_relation_size(t.oid)))
           WHEN t.relkind = 'p' THEN 'is partitioned; the script is written for an ordinary table'
           ELSE 'is not a table'
       END AS detail
FROM (VALUES (1, 'service_ops', 'integration_inbox'),
             (2, 'service_ops', 'packet_decision'),
             (3, 'integration', 'integration_receive_serviceops')) AS want (n, schema, name)
LEFT JOIN (pg_class AS t JOIN pg_namespace AS s ON s.oid = t.relnamespace)
       ON s.nspname = want.schema AND t.relname = want.name
ORDER BY want.n;

-- Only an owner may ALTER a table; a member of the owning role counts.
SELECT 'role owns the tables' AS "check",
       CASE WHEN count(t.oid) > 0 AND bool_and(pg_has_role(t.relowner, 'USAGE')) THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(
           string_agg(format('%s is owned by %s, not by %s', t.relname, pg_get_userbyid(t.relowner), current_user),
                   '; ' ORDER BY t.relname)
               FILTER (WHERE NOT pg_has_role(t.relowner, 'USAGE')),
           CASE WHEN count(t.oid) > 0 THEN current_user || ' may alter all ' || count(t.oid)
                   ELSE 'there is no table to own' END) AS detail
FROM pg_class AS t
JOIN pg_namespace AS s ON s.oid = t.relnamespace
WHERE t.relkind IN ('r', 'p')
  AND (s.nspname, t.relname) IN (('service_ops', 'integration_inbox'), ('service_ops', 'packet_decision'),
                                 ('integration', 'integration_receive_serviceops'));

-- ============================================================================
-- What the migration builds on
-- ============================================================================

SELECT 'columns of ' || want.name AS "check",
       CASE WHEN count(a.attname) = count(*) THEN 'PASS' ELSE 'FAIL' END AS status,
       string_agg(want.col || ' ' || coalesce(format_type(a.atttypid, a.atttypmod), 'is missing'),
               ', ' ORDER BY want.n) AS detail
FROM (VALUES (1, 'service_ops', 'integration_inbox', 'message_id'),
             (2, 'service_ops', 'integration_inbox', 'decision_tracking_id'),
             (3, 'service_ops', 'integration_inbox', 'message_type'),
             (4, 'integration', 'integration_receive_serviceops', 'decision_tracking_id')) AS want (n, schema, name, col)
LEFT JOIN (pg_class AS t
           JOIN pg_namespace AS s ON s.oid = t.relnamespace
           JOIN pg_attribute AS a ON a.attrelid = t.oid AND NOT a.attisdropped)
       ON s.nspname = want.schema AND t.relname = want.name AND a.attname = want.col
GROUP BY want.name
ORDER BY min(want.n);

-- The foreign key of the resend chain takes the primary key, and a bigint column must fit it.
SELECT 'primary key for the resend chain' AS "check",
       CASE WHEN problem IS NULL THEN 'PASS' ELSE 'FAIL' END AS status,
       coalesce(problem, found) AS detail
FROM (
    SELECT CASE
               WHEN t.oid IS NULL THEN 'table integration.integration_receive_serviceops is missing'
               WHEN p.oid IS NULL THEN 'integration_receive_serviceops has no primary key'
               WHEN cardinality(p.conkey) <> 1
                       THEN format('%s has %s columns, expected one', p.conname, cardinality(p.conkey))
               WHEN p.condeferrable THEN p.conname || ' is deferrable; a foreign key cannot point at it'
               WHEN a.atttypid NOT IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype)
                   THEN format('%s is %s, and resend_of_response_id is bigint', a.attname, format_type(a.atttypid, a.atttypmod))
           END,
           a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    FROM (VALUES (1)) AS one
    LEFT JOIN (pg_class AS t JOIN pg_namespace AS s
               ON s.oid = t.relnamespace AND s.nspname = 'integration'
                   AND t.relname = 'integration_receive_serviceops') ON true
    LEFT JOIN pg_constraint AS p ON p.conrelid = t.oid AND p.contype = 'p'
    LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = p.conkey[1]
) AS looked (problem, found);

-- A duplicate would stop the unique index half-way, with the locks held. That there is none is counted by
-- sorting, which takes a third of the time that grouping takes: as many different ones as there are rows. Which
-- they are is asked where that does not hold, which may be for NULLs only.
SELECT 'message_id: no duplicates' AS "check",
       CASE WHEN answer = '0' THEN 'PASS' ELSE 'FAIL' END AS status,
       CASE
           WHEN reason IS NOT NULL THEN reason
           WHEN answer = '0' THEN 'every message_id is there once'
           ELSE format('%s message_ids are there more than once: %s',
                       coalesce(substring(answer FROM '^[0-9]+'), 'an unknown number of'),
                       substring(answer FROM '^[0-9]+ (.*)$'))
       END AS detail
FROM (
    SELECT looked.reason,
           CASE WHEN looked.reason IS NULL THEN (SELECT word FROM ts_stat($query$
               SELECT array_to_tsvector(ARRAY[CASE
                   WHEN (SELECT count(*) = count(DISTINCT message_id)
                         FROM service_ops.integration_inbox) THEN '0'
                   ELSE (SELECT concat_ws(' ', count(*),
                             left(string_agg(format('%s (%s rows)', message_id, times), ', ' ORDER BY message_id)
                                     FILTER (WHERE place <= 5), 400)
                                 || CASE WHEN count(*) > 5 THEN ', ...' ELSE '' END)
                         FROM (SELECT message_id, count(*) AS times, row_number() OVER (ORDER BY message_id) AS place
                               FROM service_ops.integration_inbox
                               WHERE message_id IS NOT NULL
                               GROUP BY message_id
                               HAVING count(*) > 1) AS twice) END])
               $query$)) END
    FROM (
        SELECT CASE
                   WHEN a.attname IS NULL THEN 'service_ops.integration_inbox.message_id is missing'
                   WHEN NOT (has_schema_privilege(t.relnamespace, 'USAGE')
                           AND has_column_privilege(t.oid, a.attnum, 'SELECT'))
                       THEN 'message_id cannot be read by ' || current_user
               END
        FROM (VALUES (1)) AS one
        LEFT JOIN (pg_class AS t
                   JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'service_ops'
                       AND t.relname = 'integration_inbox'
                   JOIN pg_attribute AS a ON a.attrelid = t.oid
                       AND a.attname = 'message_id' AND NOT a.attisdropped) ON true
    ) AS looked (reason)
) AS asked (reason, answer);

-- A unique index lets any number of NULLs in: such a message could be worked off twice.
SELECT 'message_id: no NULL' AS "check",
       CASE WHEN never_null OR answer = '0' THEN 'PASS' ELSE 'FAIL' END AS status,
       CASE
           WHEN reason IS NOT NULL THEN reason
           WHEN never_null THEN 'the column is NOT NULL'
           WHEN answer = '0' THEN 'every row has one'
           ELSE format('%s rows have none, by %s: %s',
                       coalesce(substring(answer FROM '^[0-9]+'), 'an unknown number of'), keys,
                       substring(answer FROM '^[0-9]+ (.*)$'))
       END AS detail
FROM (
    SELECT looked.reason, looked.never_null, looked.keys,
           CASE WHEN looked.reason IS NULL AND NOT looked.never_null THEN (SELECT word FROM ts_stat(format($query$
               SELECT array_to_tsvector(ARRAY[concat_ws(' ', count(*),
                      left(string_agg(id, ', ' ORDER BY place) FILTER (WHERE place <= 5), 400)
                          || CASE WHEN count(*) > 5 THEN ', ...' ELSE '' END)])
               FROM (SELECT concat_ws('/', %1$s) AS id, row_number() OVER (ORDER BY %1$s) AS place
                     FROM service_ops.integration_inbox
                     WHERE message_id IS NULL) AS empty
               $query$, looked.keys))) END
    FROM (
        SELECT CASE
                   WHEN a.attname IS NULL THEN 'service_ops.integration_inbox.message_id is missing'
                   WHEN NOT (has_schema_privilege(t.relnamespace, 'USAGE') AND has_table_privilege(t.oid, 'SELECT'))
                       THEN 'integration_inbox cannot be read by ' || current_user
               END,
               coalesce(a.attnotnull, false),
               coalesce((SELECT string_agg(quote_ident(k.attname), ', ' ORDER BY k.attnum)
                         FROM pg_constraint AS p
                         JOIN pg_attribute AS k ON k.attrelid = p.conrelid AND k.attnum = ANY (p.conkey)
                         WHERE p.conrelid = t.oid AND p.contype = 'p'), 'ctid')
        FROM (VALUES (1)) AS one
        LEFT JOIN (pg_class AS t
                   JOIN pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'service_ops'
                       AND t.relname = 'integration_inbox'
                   JOIN pg_attribute AS a ON a.attrelid = t.oid
                       AND a.attname = 'message_id' AND NOT a.attisdropped) ON true
    ) AS looked (reason, never_null, keys)
) AS asked (reason, never_null, keys, answer);

-- The script removes the constraint by its documented name only; the same rule under another name
-- would outlive it and go on blocking UTN retries.
SELECT 'old unique constraint' AS "check",
       CASE WHEN count(found.name) FILTER (WHERE NOT found.documented) > 0 OR t.oid IS NULL
            THEN 'FAIL' ELSE 'PASS' END AS status,
       CASE
           WHEN t.oid IS NULL THEN 'table service_ops.integration_inbox is missing'
           WHEN count(found.name) FILTER (WHERE NOT found.documented) > 0
               THEN string_agg(format('%s makes (%s) unique, and the script does not remove it', found.name, found.keys),
                       '; ' ORDER BY found.name)
                        FILTER (WHERE NOT found.documented)
           WHEN count(found.name) = 0 THEN 'is not there: nothing to remove'
           ELSE 'uq_integration_inbox_decision_message is there, under its documented name only'
       END AS detail
FROM (VALUES (1)) AS one
LEFT JOIN (pg_class AS t JOIN pg_namespace AS s
           ON s.oid = t.relnamespace AND s.nspname = 'service_ops' AND t.relname = 'integration_inbox') ON true
LEFT JOIN LATERAL (
    SELECT c.relname, con.oid IS NOT NULL AND con.conname = 'uq_integration_inbox_decision_message', k.keys
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    LEFT JOIN pg_constraint AS con ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid
        AND con.contype IN ('p', 'u')
    CROSS JOIN LATERAL (
        SELECT string_agg(pg_get_indexdef(i.indexrelid, n, true), ', ' ORDER BY n),
               bool_and(pg_get_indexdef(i.indexrelid, n, true) IN ('decision_tracking_id', 'message_type'))
        FROM generate_series(1, i.indnkeyatts) AS n) AS k (keys, only_these)
    WHERE i.indrelid = t.oid AND i.indisunique AND k.only_these) AS found (name, documented, keys) ON true
GROUP BY t.oid;

-- ============================================================================
-- What is already there
-- ============================================================================

-- By name only: whether what is there is also right is for the verification to say. The names are gathered
-- table by table: asked one by one, the planner would read all columns of the database.
SELECT 'migration ' || migration AS "check",
       CASE WHEN count(*) FILTER (WHERE there) = 0 THEN 'PASS' ELSE 'WARN' END AS status,
       CASE
           WHEN count(*) FILTER (WHERE there) = 0 THEN 'not applied'
           WHEN bool_and(there) THEN format('already applied: all %s objects are there; the script adds nothing', count(*))
           ELSE format('partly applied, %s of %s; ', count(*) FILTER (WHERE there), count(*))
                || CASE WHEN count(*) FILTER (WHERE there) <= count(*) / 2
                        THEN 'there: ' || string_agg(name, ', ' ORDER BY name) FILTER (WHERE there)
                        ELSE 'missing: ' || string_agg(name, ', ' ORDER BY name) FILTER (WHERE NOT there) END
       END AS detail
FROM (
    SELECT want.migration, c.name, coalesce(c.name = ANY (found.names), false)
    FROM (VALUES ('011', 'service_ops', 'integration_inbox', 'message_type_id'),
                 ('012', 'service_ops', 'packet_decision',
                  'decision_subtype decision_outcome part_type esmd_request_status esmd_request_payload '
                  'esmd_request_payload_history esmd_attempt_count esmd_last_sent_at esmd_last_error '
                  'utn utn_status utn_received_at utn_fail_payload utn_action_required requires_utn_fix '
                  'letter_owner letter_status letter_package letter_medical_docs letter_generated_at '
                  'letter_sent_to_integration_at'),
                 ('013', 'integration', 'integration_receive_serviceops',
                  'correlation_id attempt_count resend_of_response_id payload_hash payload_version')
         ) AS want (migration, schema, tab, names)
    CROSS JOIN LATERAL (
        SELECT array_agg(a.attname::text)
        FROM pg_namespace AS s
        JOIN pg_class AS t ON t.relnamespace = s.oid AND t.relname = want.tab
        JOIN pg_attribute AS a ON a.attrelid = t.oid AND NOT a.attisdropped
        WHERE s.nspname = want.schema) AS found (names)
    CROSS JOIN LATERAL unnest(string_to_array(want.names, ' ')) AS c (name)
    UNION ALL
    SELECT want.migration, x.name, coalesce(x.name = ANY (found.names), false)
    FROM (VALUES ('011', 'service_ops', 'uq_integration_inbox_message_id idx_integration_inbox_message_type_id'),
                 ('012', 'service_ops',
                  'idx_packet_decision_utn_status idx_packet_decision_requires_utn_fix '
                  'idx_packet_decision_esmd_request_status idx_packet_decision_letter_status '
                  'idx_packet_decision_decision_outcome'),
                 ('013', 'integration',
                  'idx_irs_correlation_id idx_irs_resend_of_response_id idx_irs_attempt_count idx_irs_decision_attempt')
         ) AS want (migration, schema, names)
    CROSS JOIN LATERAL (
        SELECT array_agg(i.relname::text)
        FROM pg_namespace AS s
        JOIN pg_class AS i ON i.relnamespace = s.oid
            AND i.relname = ANY (string_to_array(want.names, ' ')::name[])
        WHERE s.nspname = want.schema) AS found (names)
    CROSS JOIN LATERAL unnest(string_to_array(want.names, ' ')) AS x (name)
    UNION ALL
    SELECT '013', 'fk_irs_resend_of_response_id',
           EXISTS (SELECT FROM pg_constraint AS f
                   JOIN pg_class AS t ON t.oid = f.conrelid
                   JOIN pg_namespace AS s ON s.oid = t.relnamespace
                   WHERE s.nspname = 'integration' AND t.relname = 'integration_receive_serviceops'
                     AND f.conname = 'fk_irs_resend_of_response_id')
    UNION ALL
    SELECT '011', 'old constraint removed',
           EXISTS (SELECT FROM pg_class AS t JOIN pg_namespace AS s ON s.oid = t.relnamespace
                   WHERE s.nspname = 'service_ops' AND t.relname = 'integration_inbox'
                     AND NOT EXISTS (SELECT FROM pg_constraint AS o
                                     WHERE o.conrelid = t.oid AND o.conname = 'uq_integration_inbox_decision_message'))
) AS objects (migration, name, there)
GROUP BY migration
ORDER BY migration;
