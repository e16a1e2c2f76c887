-- Demonstration: one of the eight checks fails after a script that ran without an error.
--
-- Load it after sample_data.sql. Somebody tried the change by hand last year and left a column
-- behind, of another type. ADD COLUMN IF NOT EXISTS finds the name taken and goes on with a
-- notice; only the check of names *and types* sees it. expected_state.sql warns of a partly
-- applied migration 012.

ALTER TABLE service_ops.packet_decision ADD COLUMN utn_status integer;
