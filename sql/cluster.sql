-- What a script can leave behind outside of what a dump of the database says: the database's own
-- properties, roles and what they are members of, settings that sessions begin with, privileges on
-- tablespaces, subscriptions.
--
-- A rehearsal compares it at the end with the start, as `structure.sql`; it is no part of the digest,
-- since a clone has roles and a database of its own. Passwords are in no row. Privileges on
-- parameters are left out: PostgreSQL 14 has no catalog of them.

WITH here AS (
         SELECT d.* FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()
     )
SELECT 'database' AS kind, quote_ident(d.datname) AS name,
       concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(d.datdba), 'tablespace ' || s.spcname,
                 'connections ' || nullif(d.datconnlimit, -1), CASE WHEN NOT d.datallowconn THEN 'no connections' END,
                 CASE WHEN d.datistemplate THEN 'template' END,
                 'comment ' || quote_literal(pg_catalog.shobj_description(d.oid, 'pg_database')),
                 'privileges ' || (SELECT string_agg(one::text, ' ' ORDER BY one::text COLLATE "C")
                                   FROM unnest(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS one)) AS definition
FROM here AS d
LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = d.dattablespace
UNION ALL
SELECT 'role', quote_ident(r.rolname),
       concat_ws(', ', CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN NOT r.rolinherit THEN 'does not inherit' END,
                 CASE WHEN r.rolcreaterole THEN 'creates roles' END, CASE WHEN r.rolcreatedb THEN 'creates databases' END,
                 CASE WHEN r.rolcanlogin THEN 'may log in' END, CASE WHEN r.rolreplication THEN 'replicates' END,
                 CASE WHEN r.rolbypassrls THEN 'bypasses row security' END,
                 'connections ' || nullif(r.rolconnlimit, -1), 'valid until ' || r.rolvaliduntil,
                 'comment ' || quote_literal(pg_catalog.shobj_description(r.oid, 'pg_authid')))
FROM pg_catalog.pg_roles AS r
UNION ALL
SELECT 'membership', pg_catalog.concat_ws(' ', quote_ident(pg_catalog.pg_get_userbyid(m.member)), 'in',
                                          quote_ident(pg_catalog.pg_get_userbyid(m.roleid)), 'by',
                                          quote_ident(pg_catalog.pg_get_userbyid(m.grantor))),
       concat_ws(', ', 'member', CASE WHEN m.admin_option THEN 'admin option' END,
                 CASE WHEN NOT m.inherits THEN 'does not inherit' END, CASE WHEN NOT m.sets THEN 'may not set role' END)
-- A name that the catalog has not yet is the one beside it.
FROM (SELECT true, true) AS older (inherit_option, set_option)
CROSS JOIN LATERAL (SELECT a.*, inherit_option AS inherits, set_option AS sets FROM pg_catalog.pg_auth_members AS a) AS m
UNION ALL
SELECT 'setting', concat_ws(' ', split_part(one, '=', 1), CASE WHEN s.setdatabase <> 0 THEN 'of the database' END,
                            'of ' || quote_ident(pg_catalog.pg_get_userbyid(nullif(s.setrole, 0)))),
       one
FROM pg_catalog.pg_db_role_setting AS s
CROSS JOIN LATERAL unnest(s.setconfig) AS one
WHERE s.setdatabase IN (0, (SELECT oid FROM here))
UNION ALL
SELECT 'privileges', 'tablespace ' || quote_ident(t.spcname),
       (SELECT string_agg(one::text, ' ' ORDER BY one::text COLLATE "C") FROM unnest(t.spcacl) AS one)
FROM pg_catalog.pg_tablespace AS t WHERE t.spcacl IS NOT NULL
UNION ALL
SELECT 'subscription', quote_ident(b.subname),
       concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(b.subowner), CASE WHEN b.subenabled THEN 'enabled' ELSE 'disabled' END,
                 'publications ' || b.subpublications::text, 'slot ' || b.subslotname)
FROM pg_catalog.pg_subscription AS b WHERE b.subdbid = (SELECT oid FROM here)
