-- The numbers that tell an object from another one of the same name: two looks at one database, of which
-- one stands before each pass, are compared. It is read with search_path = pg_catalog.

SELECT 'number of database', quote_ident(d.datname), d.oid::text
FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()
UNION ALL
SELECT 'number of role', quote_ident(r.rolname), r.oid::text FROM pg_catalog.pg_roles AS r
UNION ALL
SELECT 'number of schema', quote_ident(s.nspname), s.oid::text FROM pg_catalog.pg_namespace AS s WHERE s.nspname !~ '^pg_'
UNION ALL
-- An index that was rebuilt beside the old one is another one, and means the same.
SELECT 'number of relation', quote_ident(s.nspname) || '.' || quote_ident(c.relname), c.oid::text
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS s ON s.oid = c.relnamespace
WHERE s.nspname !~ '^pg_' AND s.nspname <> 'information_schema' AND c.relkind NOT IN ('i', 'I', 't')
