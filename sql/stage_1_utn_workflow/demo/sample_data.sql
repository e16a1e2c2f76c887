-- Sample data for demo/schema.sql: 50,000 rows a table, the same ones every time.
--
-- No random(), no now(): a picture or a test made from it today looks the same tomorrow.
-- All names and numbers are made up.

INSERT INTO service_ops.packet (packet_id, decision_tracking_id, channel, provider_npi, received_at)
SELECT n,
       md5('packet ' || n)::uuid,
       (ARRAY['ESMD', 'ESMD', 'PORTAL', 'FAX', 'ESMD', 'MAIL'])[n % 6 + 1],
       to_char(1000000000 + n % 977 * 104729, 'FM0000000000'),
       timestamptz '2025-01-02 08:00:00+00' + n * interval '9 minutes'
FROM generate_series(1, 50000) AS n;

INSERT INTO service_ops.packet_decision
       (packet_decision_id, packet_id, decision_type, operational_decision, clinical_decision,
        denial_reason, denial_details, correlation_id, created_by, created_at)
SELECT n,
       n,
       CASE WHEN n % 9 = 0 THEN 'DISMISSAL' ELSE 'APPROVE' END,
       CASE WHEN n % 9 = 0 THEN 'DISMISSAL_COMPLETE' WHEN n % 7 = 0 THEN 'PENDING' ELSE 'DECISION_COMPLETE' END,
       CASE WHEN n % 9 = 0 OR n % 7 = 0 THEN 'PENDING' WHEN n % 5 = 0 THEN 'NON_AFFIRM' ELSE 'AFFIRM' END,
       CASE WHEN n % 9 = 0 THEN (ARRAY['MISSING_FIELDS', 'INVALID_PECOS', 'NO_MEDICAL_RECORDS'])[n % 3 + 1] END,
       CASE WHEN n % 9 = 0 THEN jsonb_build_object('page', n % 12 + 1, 'field', 'procedure_code') END,
       md5('decision ' || n)::uuid,
       'reviewer' || n % 23 || '@example.org',
       timestamptz '2025-01-02 11:30:00+00' + n * interval '9 minutes'
FROM generate_series(1, 50000) AS n;

INSERT INTO service_ops.integration_inbox
       (inbox_id, message_id, decision_tracking_id, message_type, source_created_at, status,
        attempt_count, next_attempt_at, last_error, created_at, updated_at)
SELECT n,
       700000 + n,
       md5('packet ' || n)::uuid,
       'INTAKE',
       arrived,
       CASE WHEN n % 251 = 0 THEN 'FAILED' WHEN n > 49900 THEN 'NEW' ELSE 'DONE' END,
       CASE WHEN n % 251 = 0 THEN 3 WHEN n > 49900 THEN 0 ELSE 1 END,
       arrived + interval '5 seconds',
       CASE WHEN n % 251 = 0 THEN 'document store answered 503' END,
       arrived,
       arrived + interval '6 seconds'
FROM generate_series(1, 50000) AS n,
     LATERAL (SELECT timestamptz '2025-01-02 08:00:10+00' + n * interval '9 minutes') AS t (arrived);

INSERT INTO integration.integration_receive_serviceops
       (response_id, decision_tracking_id, workflow_id, decision_type, payload, status,
        audit_timestamp, created_at)
SELECT n,
       md5('packet ' || n)::uuid,
       400000 + n,
       CASE WHEN n % 4 = 0 THEN 'STANDARD_PA' ELSE 'DIRECT_PA' END,
       jsonb_build_object('packet', n, 'decision', CASE WHEN n % 5 = 0 THEN 'N' ELSE 'A' END,
                          'procedures', jsonb_build_array('L' || 1000 + n % 800))::text,
       CASE WHEN n > 49950 THEN 'PENDING_UPLOAD' ELSE 'UPLOADED' END,
       sent,
       sent
FROM generate_series(1, 50000) AS n,
     LATERAL (SELECT timestamptz '2025-01-02 12:00:00+00' + n * interval '9 minutes') AS t (sent);

-- The next row that an application adds goes on where the sample ends.
SELECT setval(pg_get_serial_sequence('service_ops.packet', 'packet_id'), 50000),
       setval(pg_get_serial_sequence('service_ops.packet_decision', 'packet_decision_id'), 50000),
       setval(pg_get_serial_sequence('service_ops.integration_inbox', 'inbox_id'), 50000),
       setval(pg_get_serial_sequence('integration.integration_receive_serviceops', 'response_id'), 50000);

ANALYZE service_ops.packet;
ANALYZE service_ops.packet_decision;
ANALYZE service_ops.integration_inbox;
ANALYZE integration.integration_receive_serviceops;
