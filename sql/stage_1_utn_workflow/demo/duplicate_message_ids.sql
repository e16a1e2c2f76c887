-- Demonstration: the same message arrived more than once.
--
-- Load it after sample_data.sql. expected_state.sql must then FAIL on duplicate message_ids, and
-- the unique index of migration 011 could not be built.

INSERT INTO service_ops.integration_inbox
       (message_id, decision_tracking_id, message_type, source_created_at, status, attempt_count,
        next_attempt_at, created_at, updated_at)
SELECT message_id, decision_tracking_id, 'INTAKE_RESENT', source_created_at, 'DONE', 1,
       next_attempt_at, created_at, updated_at
FROM service_ops.integration_inbox
WHERE inbox_id IN (17, 171, 240);
