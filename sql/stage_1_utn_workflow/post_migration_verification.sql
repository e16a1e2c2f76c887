-- After COMMIT: the three questions of the instructions, with the answers that they expect
-- (1 row, 9, 3 rows). It only reads, and may be run at any time.
--
-- information_schema shows a role only the columns that it may use: run this as the role that
-- migrated.

-- Expected: 1 row.
SELECT 'integration_inbox: routing column' AS "check",
       CASE WHEN count(*) = 1 THEN 'PASS' ELSE 'FAIL' END AS status,
       count(*) || ' of 1: '
           || coalesce(string_agg(column_name || ' ' || data_type, ', '), 'message_type_id is missing') AS detail
FROM information_schema.columns
WHERE table_schema = 'service_ops' AND table_name = 'integration_inbox' AND column_name = 'message_type_id';

-- Expected: 9. These are nine of the 21 new columns, as the instructions pick them.
SELECT 'packet_decision: nine of the new columns' AS "check",
       CASE WHEN count(c.column_name) = 9 THEN 'PASS' ELSE 'FAIL' END AS status,
       count(c.column_name) || ' of 9'
           || coalesce(': missing ' || string_agg(want.name, ', ' ORDER BY want.n)
               FILTER (WHERE c.column_name IS NULL), '') AS detail
FROM unnest(ARRAY['decision_subtype', 'decision_outcome', 'part_type', 'esmd_request_status', 'utn', 'utn_status',
                  'requires_utn_fix', 'letter_owner', 'letter_status']) WITH ORDINALITY AS want (name, n)
LEFT JOIN information_schema.columns AS c
       ON c.table_schema = 'service_ops' AND c.table_name = 'packet_decision' AND c.column_name = want.name;

-- Expected: 3 rows.
SELECT 'receive_serviceops: resend columns' AS "check",
       CASE WHEN count(c.column_name) = 3 THEN 'PASS' ELSE 'FAIL' END AS status,
       count(c.column_name) || ' of 3: '
           || string_agg(want.name || ' ' || coalesce(c.data_type, 'is missing'), ', ' ORDER BY want.n) AS detail
FROM unnest(ARRAY['correlation_id', 'attempt_count', 'payload_version']) WITH ORDINALITY AS want (name, n)
LEFT JOIN information_schema.columns AS c
       ON c.table_schema = 'integration' AND c.table_name = 'integration_receive_serviceops'
           AND c.column_name = want.name;
