-- Roles, who is a member of which, and the settings that sessions begin with: by name, so that what a
-- script makes of them is the same in each pass. It is read with search_path = pg_catalog.

SELECT 'role', quote_ident(r.rolname),
       concat_ws(', ', CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolbypassrls THEN 'bypasses row security' END,
                 CASE WHEN r.rolcreaterole THEN 'creates roles' END, CASE WHEN r.rolcreatedb THEN 'creates databases' END,
                 CASE WHEN r.rolcanlogin THEN 'may log in' END, CASE WHEN r.rolreplication THEN 'replicates' END,
                 CASE WHEN NOT r.rolinherit THEN 'does not inherit' END,
                 'valid until ' || r.rolvaliduntil, 'connections ' || nullif(r.rolconnlimit, -1))
FROM pg_catalog.pg_roles AS r
UNION ALL
SELECT 'membership', quote_ident(pg_catalog.pg_get_userbyid(m.member)) || ' in ' || quote_ident(pg_catalog.pg_get_userbyid(m.roleid))
           || ' by ' || quote_ident(pg_catalog.pg_get_userbyid(m.grantor)),
       (to_jsonb(m) - 'oid' - 'member' - 'roleid' - 'grantor')::text
FROM pg_catalog.pg_auth_members AS m
UNION ALL
SELECT 'setting', concat_ws(' ', split_part(one, '=', 1), CASE s.setdatabase WHEN 0 THEN NULL ELSE 'of the database' END,
                            'of ' || nullif(CASE s.setrole WHEN 0 THEN '' ELSE pg_catalog.pg_get_userbyid(s.setrole)::text END, '')),
       one
FROM pg_catalog.pg_db_role_setting AS s CROSS JOIN LATERAL unnest(s.setconfig) AS one
WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()))
UNION ALL
SELECT 'setting in effect', s.name, s.setting
FROM pg_catalog.pg_settings AS s WHERE s.source <> 'default'
