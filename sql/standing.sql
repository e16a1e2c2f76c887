-- What stands in a database beside the structure of its schemas, and the numbers that tell an object
-- from another one of the same name: two looks at one database, of which one stands before each pass,
-- are compared. It is read with search_path = pg_catalog. What may hold a secret is told as a digest.

SELECT 'database', quote_ident(d.datname),
       concat_ws(', ', 'number ' || d.oid, 'owner ' || pg_catalog.pg_get_userbyid(d.datdba), 'privileges ' || d.datacl::text)
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
UNION ALL
SELECT 'event trigger', quote_ident(e.evtname), to_jsonb(e)::text FROM pg_catalog.pg_event_trigger AS e
UNION ALL
SELECT 'language', quote_ident(l.lanname), to_jsonb(l)::text FROM pg_catalog.pg_language AS l
UNION ALL
SELECT 'foreign-data wrapper', quote_ident(w.fdwname), pg_catalog.md5(to_jsonb(w)::text) FROM pg_catalog.pg_foreign_data_wrapper AS w
UNION ALL
SELECT 'foreign server', quote_ident(s.srvname), pg_catalog.md5(to_jsonb(s)::text) FROM pg_catalog.pg_foreign_server AS s
UNION ALL
SELECT 'user mapping', quote_ident(u.usename) || ' on ' || quote_ident(u.srvname), pg_catalog.md5(to_jsonb(u)::text)
FROM pg_catalog.pg_user_mappings AS u
UNION ALL
SELECT 'options of foreign table', t.ftrelid::regclass::text, pg_catalog.md5(to_jsonb(t)::text) FROM pg_catalog.pg_foreign_table AS t
UNION ALL
SELECT 'cast', c.castsource::regtype || ' to ' || c.casttarget::regtype, to_jsonb(c)::text
FROM pg_catalog.pg_cast AS c WHERE c.oid >= 16384
UNION ALL
SELECT 'operator', o.oid::regoperator::text, to_jsonb(o)::text FROM pg_catalog.pg_operator AS o WHERE o.oid >= 16384
UNION ALL
SELECT 'aggregate', a.aggfnoid::regprocedure::text, to_jsonb(a)::text FROM pg_catalog.pg_aggregate AS a WHERE a.aggfnoid >= 16384
UNION ALL
SELECT 'collation', c.oid::regcollation::text, to_jsonb(c)::text FROM pg_catalog.pg_collation AS c WHERE c.oid >= 16384
UNION ALL
SELECT 'publication', quote_ident(p.pubname), to_jsonb(p)::text FROM pg_catalog.pg_publication AS p
UNION ALL
SELECT 'published', p.prrelid::regclass || ' in ' || p.prpubid, to_jsonb(p)::text FROM pg_catalog.pg_publication_rel AS p
UNION ALL
SELECT 'default privileges', concat_ws(' ', a.defaclobjtype::text, 'of ' || pg_catalog.pg_get_userbyid(a.defaclrole), 'in ' || a.defaclnamespace),
       to_jsonb(a)::text
FROM pg_catalog.pg_default_acl AS a
