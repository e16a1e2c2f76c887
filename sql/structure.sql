-- The structure of all schemas but the system's own, and of what is in no schema: one row an object or a property of it, with a
-- definition that says all that a dump of the schema would say of it.
--
-- `stagegate rehearse` takes it at the start and at the end and compares the two; its digest tells
-- whether a rehearsal was of the structure that a database has now. So nothing in it may depend on
-- object ids, and it is read with search_path = pg_catalog, for names to be whole. What is data is
-- left out (rows, a sequence's position), and so is what differs without a difference in meaning:
-- the order of privileges and of options, and default privileges that were never written down.
-- Options are those that a person can declare: a server may keep others in the same place. Where
-- a catalog has a column only in some versions of PostgreSQL, a name beside it stands for it in others.
--
-- The comments in /* */ are the places where `runbook::rehearsal` narrows it to what a transaction
-- touched.

WITH space AS (
         SELECT s.oid, s.nspname, quote_ident(s.nspname) AS name, s.nspowner, s.nspacl
         FROM pg_catalog.pg_namespace AS s
         WHERE s.nspname !~ '^pg_' AND s.nspname <> 'information_schema' /* schemas */
     ),
     relation AS (
         SELECT c.*, space.name || '.' || quote_ident(c.relname) AS name,
                CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view'
                               WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                               WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'index' END AS kind
         FROM pg_catalog.pg_class AS c
         JOIN space ON space.oid = c.relnamespace
         WHERE c.relkind <> 't' /* relations */
     ),
     routine AS (
         SELECT p.*, space.name || '.' || quote_ident(p.proname) || '('
                     || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')' AS name
         FROM pg_catalog.pg_proc AS p
         JOIN space ON space.oid = p.pronamespace /* routines */
     ),
     type AS (
         SELECT t.*, space.name || '.' || quote_ident(t.typname) AS name
         FROM pg_catalog.pg_type AS t
         JOIN space ON space.oid = t.typnamespace
         WHERE t.typtype IN ('d', 'e', 'r') /* types */
     ),
     -- What PostgreSQL documents for tables (and their TOAST tables) and views; an index tells its
     -- own in its definition.
     options (relid, text) AS (
         SELECT one.relid, string_agg(one.text, ' ' ORDER BY one.text COLLATE "C")
         FROM (SELECT r.oid, o FROM relation AS r CROSS JOIN LATERAL unnest(r.reloptions) AS o
               WHERE r.kind <> 'index' AND r.reloptions IS NOT NULL
               UNION ALL
               -- From the tables that have some, which are fewer than those that have none.
               SELECT r.oid, 'toast.' || o
               FROM pg_catalog.pg_class AS toast
               JOIN relation AS r ON r.reltoastrelid = toast.oid
               CROSS JOIN LATERAL unnest(toast.reloptions) AS o
               WHERE r.kind <> 'index' AND toast.relkind = 't' AND toast.reloptions IS NOT NULL) AS one (relid, text)
         WHERE split_part(one.text, '=', 1) ~ ('^(toast\.)?(autovacuum_[a-z_]+|vacuum_[a-z_]+|log_auto(vacuum|analyze)_min_duration)$'
               '|^(fillfactor|toast_tuple_target|parallel_workers|user_catalog_table)$'
               '|^(check_option|security_barrier|security_invoker)$')
         GROUP BY one.relid
     ),
     -- Who may do what. Where nobody has said it, it is what the owner of such an object begins with.
     stated (kind, name, acl, sort, owner) AS (
         SELECT 'schema', name, nspacl, 'n'::"char", nspowner FROM space
         UNION ALL
         SELECT kind, name, relacl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner
         FROM relation WHERE kind NOT IN ('index', 'type')
         UNION ALL
         SELECT 'column', r.name || '.' || quote_ident(a.attname), a.attacl, NULL, NULL
         FROM pg_catalog.pg_attribute AS a JOIN relation AS r ON r.oid = a.attrelid
         WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
         UNION ALL
         SELECT 'function', name, proacl, 'f'::"char", proowner FROM routine
         UNION ALL
         SELECT 'type', name, typacl, 'T'::"char", typowner FROM type
         UNION ALL
         SELECT 'language', quote_ident(lanname), lanacl, NULL, NULL
         FROM pg_catalog.pg_language WHERE lanispl AND lanacl IS NOT NULL
         UNION ALL
         SELECT 'foreign-data wrapper', quote_ident(fdwname), fdwacl, 'F'::"char", fdwowner FROM pg_catalog.pg_foreign_data_wrapper
         UNION ALL
         SELECT 'server', quote_ident(srvname), srvacl, 'S'::"char", srvowner FROM pg_catalog.pg_foreign_server
         UNION ALL
         -- What objects made later begin with.
         SELECT 'default', concat_ws(' ', CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                               WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large objects' END,
                                     'of', quote_ident(pg_catalog.pg_get_userbyid(d.defaclrole)),
                                     'in ' || d.defaclnamespace::regnamespace), d.defaclacl, NULL, NULL
         FROM (SELECT defaclrole, nullif(defaclnamespace, 0) AS defaclnamespace, defaclobjtype, defaclacl
               FROM pg_catalog.pg_default_acl) AS d
     ),
     -- Many objects have the same privileges, so each list of them is told once.
     privilege (kind, name, list, acl, sort, owner) AS MATERIALIZED (
         SELECT p.kind, p.name, coalesce(p.acl::text, p.sort::text || p.owner), p.acl, p.sort, p.owner FROM stated AS p
     ),
     -- One line a privilege, in an order of its own.
     granted (list, text) AS (
         SELECT each.list,
                string_agg(concat_ws(' ', CASE one.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(one.grantee)::text END,
                                     one.privilege_type, CASE WHEN one.is_grantable THEN 'with grant option' END,
                                     'by ' || pg_catalog.pg_get_userbyid(one.grantor)), '; '
                           ORDER BY CASE one.grantee WHEN 0 THEN '' ELSE pg_catalog.pg_get_userbyid(one.grantee)::text END COLLATE "C",
                                    one.privilege_type COLLATE "C", pg_catalog.pg_get_userbyid(one.grantor)::text COLLATE "C")
         FROM (SELECT DISTINCT ON (p.list) p.list, p.acl, p.sort, p.owner FROM privilege AS p) AS each
         CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(each.acl, pg_catalog.acldefault(each.sort, each.owner))) AS one
         GROUP BY each.list
     ),
     object (kind, name, definition) AS (
         SELECT 'schema', name, 'owner ' || pg_catalog.pg_get_userbyid(nspowner) FROM space
         UNION ALL
         -- A composite type has a relation too; its attributes follow as columns.
         SELECT r.kind, r.name,
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(r.relowner),
                          'kind ' || r.relkind::text, 'persistence ' || r.relpersistence::text,
                          'access method ' || m.amname,
                          'tablespace ' || s.spcname,
                          'options ' || options.text,
                          'server ' || v.srvname, 'options ' || f.ftoptions::text,
                          'replica identity ' || nullif(r.relreplident::text, 'n'),
                          CASE WHEN r.relrowsecurity THEN 'row security' END,
                          CASE WHEN r.relforcerowsecurity THEN 'forced row security' END,
                          CASE WHEN r.relkind = 'p' THEN 'partition by ' || pg_catalog.pg_get_partkeydef(r.oid) END,
                          'partition ' || pg_catalog.pg_get_expr(r.relpartbound, r.oid),
                          'inherits ' || parents.text,
                          CASE WHEN r.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(r.oid) END,
                          CASE WHEN NOT r.relispopulated THEN 'not populated' END)
         FROM relation AS r
         LEFT JOIN options ON options.relid = r.oid
         LEFT JOIN (SELECT i.inhrelid, string_agg(i.inhparent::regclass::text, ' ' ORDER BY i.inhseqno)
                    FROM pg_catalog.pg_inherits AS i GROUP BY i.inhrelid) AS parents (relid, text) ON parents.relid = r.oid
         LEFT JOIN pg_catalog.pg_foreign_table AS f ON f.ftrelid = r.oid
         LEFT JOIN pg_catalog.pg_foreign_server AS v ON v.oid = f.ftserver
         LEFT JOIN pg_catalog.pg_am AS m ON m.oid = r.relam
         LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = r.reltablespace
         WHERE r.kind <> 'index'
         UNION ALL
         SELECT 'column', r.name || '.' || quote_ident(a.attname),
                concat_ws(', ', 'position ' || row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum),
                          pg_catalog.format_type(a.atttypid, a.atttypmod),
                          CASE WHEN a.attnotnull THEN 'NOT NULL' ELSE 'nullable' END,
                          CASE a.attgenerated WHEN '' THEN 'default ' ELSE 'generated as ' END
                              || pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                          'identity ' || nullif(a.attidentity::text, ''),
                          'collation ' || nullif(l.collname, 'default'),
                          'storage ' || a.attstorage::text,
                          'compression ' || nullif(a.compression::text, ''),
                          'statistics ' || nullif(a.attstattarget, -1),
                          CASE WHEN a.attoptions IS NOT NULL
                               THEN 'options ' || (SELECT string_agg(o, ' ' ORDER BY o COLLATE "C") FROM unnest(a.attoptions) AS o
                                                   WHERE split_part(o, '=', 1) IN ('n_distinct', 'n_distinct_inherited')) END,
                          'foreign options ' || a.attfdwoptions::text,
                          CASE WHEN NOT a.attislocal THEN 'inherited' END)
         -- A name that the catalog has not yet is the one beside it.
         FROM (SELECT ''::"char") AS older (attcompression)
         CROSS JOIN LATERAL (SELECT c.*, attcompression AS compression FROM pg_catalog.pg_attribute AS c) AS a
         JOIN relation AS r ON r.oid = a.attrelid AND r.kind NOT IN ('index', 'sequence')
         LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
         WHERE a.attnum > 0 AND NOT a.attisdropped
         UNION ALL
         SELECT 'constraint', quote_ident(o.conname) || ' on ' || coalesce(r.name, t.name),
                concat_ws(', ', pg_catalog.pg_get_constraintdef(o.oid),
                          CASE WHEN NOT o.convalidated THEN 'not valid' END,
                          CASE WHEN NOT o.enforced THEN 'not enforced' END)
         FROM (SELECT true) AS older (conenforced)
         CROSS JOIN LATERAL (SELECT c.*, conenforced AS enforced FROM pg_catalog.pg_constraint AS c) AS o
         LEFT JOIN relation AS r ON r.oid = o.conrelid
         LEFT JOIN type AS t ON t.oid = o.contypid
         WHERE coalesce(r.name, t.name) IS NOT NULL
         UNION ALL
         -- The index of a key that is told is told with it, but for its options: its columns, what it includes and how
         -- NULLs count; in nothing else may it differ from another. Of all definitions this takes longest to make,
         -- and most indexes are one of a key.
         SELECT 'index', r.name,
                concat_ws(', ', CASE WHEN key.index IS NULL THEN pg_catalog.pg_get_indexdef(i.indexrelid)
                                     ELSE 'of the constraint ' || key.name END,
                          CASE WHEN key.index IS NOT NULL AND r.reloptions IS NOT NULL
                               THEN 'options ' || (SELECT string_agg(o, ' ' ORDER BY o COLLATE "C") FROM unnest(r.reloptions) AS o) END,
                          CASE WHEN NOT i.indisvalid THEN 'INVALID' END,
                          CASE WHEN i.indisprimary THEN 'primary key' END,
                          CASE WHEN i.indisclustered THEN 'clustered' END,
                          CASE WHEN i.indisreplident THEN 'replica identity' END,
                          'tablespace ' || s.spcname)
         FROM pg_catalog.pg_index AS i
         JOIN relation AS r ON r.oid = i.indexrelid
         LEFT JOIN (SELECT o.conindid, quote_ident(o.conname) || ' on ' || t.name
                    FROM pg_catalog.pg_constraint AS o JOIN relation AS t ON t.oid = o.conrelid
                    WHERE o.contype IN ('p', 'u')) AS key (index, name) ON key.index = i.indexrelid
         LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = r.reltablespace
         UNION ALL
         SELECT 'sequence settings', r.name,
                concat_ws(', ', pg_catalog.format_type(q.seqtypid, NULL), 'start ' || q.seqstart,
                          'increment ' || q.seqincrement, 'from ' || q.seqmin || ' to ' || q.seqmax,
                          'cache ' || q.seqcache, CASE WHEN q.seqcycle THEN 'cycle' END,
                          'owned by ' || (SELECT o.refobjid::regclass || '.' || a.attname
                                          FROM pg_catalog.pg_depend AS o
                                          JOIN pg_catalog.pg_attribute AS a
                                              ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
                                          WHERE o.classid = 'pg_catalog.pg_class'::regclass AND o.objid = q.seqrelid
                                            AND o.refclassid = 'pg_catalog.pg_class'::regclass
                                            AND o.deptype IN ('a', 'i') AND o.refobjsubid > 0))
         FROM pg_catalog.pg_sequence AS q
         JOIN relation AS r ON r.oid = q.seqrelid
         UNION ALL
         SELECT 'trigger', quote_ident(g.tgname) || ' on ' || r.name,
                pg_catalog.pg_get_triggerdef(g.oid) || ', enabled ' || g.tgenabled::text
         FROM pg_catalog.pg_trigger AS g
         JOIN relation AS r ON r.oid = g.tgrelid
         WHERE NOT g.tgisinternal
         UNION ALL
         -- A foreign key whose own triggers are switched off holds nobody to anything.
         SELECT 'enforcement', quote_ident(o.conname) || ' on ' || r.name,
                'enabled ' || string_agg(g.tgenabled::text, ' ' ORDER BY g.tgtype, g.tgenabled::text COLLATE "C")
         FROM pg_catalog.pg_trigger AS g
         JOIN pg_catalog.pg_constraint AS o ON o.oid = g.tgconstraint
         JOIN relation AS r ON r.oid = g.tgrelid
         WHERE g.tgisinternal AND g.tgenabled <> 'O'
         GROUP BY o.conname, r.name
         UNION ALL
         SELECT 'rule', quote_ident(u.rulename) || ' on ' || r.name,
                pg_catalog.pg_get_ruledef(u.oid) || ', enabled ' || u.ev_enabled::text
         FROM pg_catalog.pg_rewrite AS u
         JOIN relation AS r ON r.oid = u.ev_class
         WHERE u.rulename <> '_RETURN'
         UNION ALL
         SELECT 'policy', quote_ident(p.polname) || ' on ' || r.name,
                concat_ws(', ', 'for ' || p.polcmd::text, CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
                          'to ' || (SELECT string_agg(CASE role WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(role)::text END,
                                                      ' ' ORDER BY pg_catalog.pg_get_userbyid(role)::text COLLATE "C") FROM unnest(p.polroles) AS role),
                          'using ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid),
                          'with check ' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
         FROM pg_catalog.pg_policy AS p
         JOIN relation AS r ON r.oid = p.polrelid
         UNION ALL
         SELECT 'function', f.name,
                'owner ' || pg_catalog.pg_get_userbyid(f.proowner) || ', '
                    || CASE WHEN f.prokind = 'a'
                            THEN (SELECT concat_ws(', ', 'aggregate', a.aggtransfn::regprocedure, pg_catalog.format_type(a.aggtranstype, NULL),
                                                   nullif(a.aggfinalfn, 0)::regprocedure, nullif(a.aggcombinefn, 0)::regprocedure,
                                                   'begins at ' || a.agginitval)
                                  FROM pg_catalog.pg_aggregate AS a WHERE a.aggfnoid = f.oid)
                            ELSE pg_catalog.pg_get_functiondef(f.oid) END
         FROM routine AS f
         UNION ALL
         SELECT 'type', t.name,
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(t.typowner), 'kind ' || t.typtype::text,
                          CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
                          CASE WHEN t.typnotnull THEN 'NOT NULL' END, 'default ' || t.typdefault,
                          (SELECT string_agg(quote_literal(e.enumlabel), ' ' ORDER BY e.enumsortorder)
                           FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid))
         FROM type AS t
         UNION ALL
         SELECT 'statistics', space.name || '.' || quote_ident(x.stxname),
                concat_ws(', ', pg_catalog.pg_get_statisticsobjdef(x.oid), 'target ' || nullif(x.stxstattarget, -1),
                          'owner ' || pg_catalog.pg_get_userbyid(x.stxowner))
         FROM pg_catalog.pg_statistic_ext AS x
         JOIN space ON space.oid = x.stxnamespace /* statistics */
         UNION ALL
         SELECT 'collation', space.name || '.' || quote_ident(l.collname),
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(l.collowner), 'provider ' || l.collprovider::text,
                          CASE WHEN NOT l.collisdeterministic THEN 'not deterministic' END,
                          'collate ' || l.collcollate, 'ctype ' || l.collctype, 'locale ' || l.locale, 'rules ' || l.rules)
         FROM (SELECT NULL::text, NULL::text, NULL::text) AS older (colllocale, colliculocale, collicurules)
         CROSS JOIN LATERAL (SELECT c.*, coalesce(colllocale, colliculocale) AS locale, collicurules AS rules
                             FROM pg_catalog.pg_collation AS c) AS l
         JOIN space ON space.oid = l.collnamespace
         UNION ALL
         SELECT 'operator', space.name || '.' || o.oprname || ' (' || pg_catalog.format_type(o.oprleft, NULL) || ', '
                    || pg_catalog.format_type(o.oprright, NULL) || ')',
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(o.oprowner), o.oprcode::regprocedure::text,
                          'commutator ' || nullif(o.oprcom, 0)::regoperator, 'negator ' || nullif(o.oprnegate, 0)::regoperator,
                          'restrict ' || nullif(o.oprrest, 0)::regprocedure, 'join ' || nullif(o.oprjoin, 0)::regprocedure,
                          CASE WHEN o.oprcanhash THEN 'hashes' END, CASE WHEN o.oprcanmerge THEN 'merges' END)
         FROM pg_catalog.pg_operator AS o
         JOIN space ON space.oid = o.oprnamespace
         UNION ALL
         SELECT 'operator family', space.name || '.' || quote_ident(f.opfname) || ' using ' || m.amname,
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(f.opfowner),
                          (SELECT string_agg(concat_ws(' ', 'operator', o.amopstrategy, o.amopopr::regoperator,
                                                       'order by ' || (SELECT s.opfname FROM pg_catalog.pg_opfamily AS s
                                                                       WHERE s.oid = o.amopsortfamily)), ', '
                                             ORDER BY o.amopstrategy, o.amopopr::regoperator::text COLLATE "C")
                           FROM pg_catalog.pg_amop AS o WHERE o.amopfamily = f.oid),
                          (SELECT string_agg(concat_ws(' ', 'function', p.amprocnum, pg_catalog.format_type(p.amproclefttype, NULL),
                                                       pg_catalog.format_type(p.amprocrighttype, NULL), p.amproc::regprocedure), ', '
                                             ORDER BY p.amprocnum, p.amproc::regprocedure::text COLLATE "C",
                                                      p.amproclefttype::regtype::text COLLATE "C", p.amprocrighttype::regtype::text COLLATE "C")
                           FROM pg_catalog.pg_amproc AS p WHERE p.amprocfamily = f.oid))
         FROM pg_catalog.pg_opfamily AS f
         JOIN space ON space.oid = f.opfnamespace
         JOIN pg_catalog.pg_am AS m ON m.oid = f.opfmethod
         UNION ALL
         SELECT 'operator class', space.name || '.' || quote_ident(c.opcname) || ' using ' || m.amname,
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(c.opcowner), 'for ' || pg_catalog.format_type(c.opcintype, NULL),
                          CASE WHEN c.opcdefault THEN 'default' END, 'stores ' || pg_catalog.format_type(nullif(c.opckeytype, 0), NULL),
                          'family ' || f.opfname)
         FROM pg_catalog.pg_opclass AS c
         JOIN space ON space.oid = c.opcnamespace
         JOIN pg_catalog.pg_am AS m ON m.oid = c.opcmethod
         JOIN pg_catalog.pg_opfamily AS f ON f.oid = c.opcfamily
         UNION ALL
         SELECT 'conversion', space.name || '.' || quote_ident(c.conname),
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(c.conowner), pg_catalog.pg_encoding_to_char(c.conforencoding)
                          || ' to ' || pg_catalog.pg_encoding_to_char(c.contoencoding), c.conproc::regproc::text,
                          CASE WHEN c.condefault THEN 'default' END)
         FROM pg_catalog.pg_conversion AS c
         JOIN space ON space.oid = c.connamespace
         UNION ALL
         SELECT 'text search configuration', space.name || '.' || quote_ident(c.cfgname),
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(c.cfgowner), 'parser ' || p.prsname,
                          (SELECT string_agg(m.maptokentype || ' with ' || m.mapdict::regdictionary, ', ' ORDER BY m.maptokentype, m.mapseqno)
                           FROM pg_catalog.pg_ts_config_map AS m WHERE m.mapcfg = c.oid))
         FROM pg_catalog.pg_ts_config AS c
         JOIN space ON space.oid = c.cfgnamespace
         JOIN pg_catalog.pg_ts_parser AS p ON p.oid = c.cfgparser
         UNION ALL
         SELECT 'text search dictionary', space.name || '.' || quote_ident(d.dictname),
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(d.dictowner), 'template ' || t.tmplname, d.dictinitoption)
         FROM pg_catalog.pg_ts_dict AS d
         JOIN space ON space.oid = d.dictnamespace
         JOIN pg_catalog.pg_ts_template AS t ON t.oid = d.dicttemplate
         UNION ALL
         SELECT 'text search parser', space.name || '.' || quote_ident(p.prsname),
                concat_ws(', ', p.prsstart::regproc, p.prstoken::regproc, p.prsend::regproc, p.prslextype::regproc,
                          nullif(p.prsheadline, 0)::regproc)
         FROM pg_catalog.pg_ts_parser AS p
         JOIN space ON space.oid = p.prsnamespace
         UNION ALL
         SELECT 'text search template', space.name || '.' || quote_ident(t.tmplname),
                concat_ws(', ', nullif(t.tmplinit, 0)::regproc, t.tmpllexize::regproc)
         FROM pg_catalog.pg_ts_template AS t
         JOIN space ON space.oid = t.tmplnamespace
         UNION ALL
         -- From here on what is in no schema; the server's own have oids below 16384.
         SELECT 'event trigger', quote_ident(g.evtname),
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(g.evtowner), 'on ' || g.evtevent, g.evtfoid::regprocedure::text,
                          'enabled ' || g.evtenabled::text, 'when ' || g.evttags::text)
         FROM pg_catalog.pg_event_trigger AS g
         UNION ALL
         SELECT 'publication', quote_ident(p.pubname),
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(p.pubowner), CASE WHEN p.puballtables THEN 'all tables' END,
                          CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                          CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END,
                          CASE WHEN p.pubviaroot THEN 'via root' END)
         FROM pg_catalog.pg_publication AS p
         UNION ALL
         SELECT 'published', t.schemaname || '.' || t.tablename || ' by ' || quote_ident(p.pubname),
                concat_ws(', ', 'columns ' || t.columns::text, 'where ' || t.filter)
         FROM pg_catalog.pg_publication AS p
         CROSS JOIN (SELECT NULL::name[], NULL::text) AS older (attnames, rowfilter)
         CROSS JOIN LATERAL (SELECT schemaname, tablename, attnames AS columns, rowfilter AS filter
                             FROM pg_catalog.pg_publication_tables WHERE pubname = p.pubname) AS t
         WHERE NOT p.puballtables
         UNION ALL
         SELECT 'cast', pg_catalog.format_type(c.castsource, NULL) || ' as ' || pg_catalog.format_type(c.casttarget, NULL),
                concat_ws(', ', nullif(c.castfunc, 0)::regprocedure, 'context ' || c.castcontext::text, 'method ' || c.castmethod::text)
         FROM pg_catalog.pg_cast AS c WHERE c.oid >= 16384
         UNION ALL
         SELECT 'language', quote_ident(l.lanname),
                concat_ws(', ', CASE WHEN l.oid >= 16384 THEN 'owner ' || pg_catalog.pg_get_userbyid(l.lanowner) END, CASE WHEN l.lanpltrusted THEN 'trusted' END,
                          nullif(l.lanplcallfoid, 0)::regproc, nullif(l.laninline, 0)::regproc, nullif(l.lanvalidator, 0)::regproc)
         FROM pg_catalog.pg_language AS l WHERE l.lanispl
         UNION ALL
         SELECT 'access method', quote_ident(m.amname), m.amtype::text || ' ' || m.amhandler
         FROM pg_catalog.pg_am AS m WHERE m.oid >= 16384
         UNION ALL
         SELECT 'transform', pg_catalog.format_type(t.trftype, NULL) || ' in ' || quote_ident(l.lanname),
                concat_ws(', ', 'from ' || nullif(t.trffromsql, 0)::regprocedure, 'to ' || nullif(t.trftosql, 0)::regprocedure)
         FROM pg_catalog.pg_transform AS t JOIN pg_catalog.pg_language AS l ON l.oid = t.trflang
         UNION ALL
         SELECT 'foreign-data wrapper', quote_ident(w.fdwname),
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(w.fdwowner), nullif(w.fdwhandler, 0)::regproc,
                          nullif(w.fdwvalidator, 0)::regproc, 'options ' || w.fdwoptions::text)
         FROM pg_catalog.pg_foreign_data_wrapper AS w
         UNION ALL
         SELECT 'server', quote_ident(v.srvname),
                concat_ws(', ', 'owner ' || pg_catalog.pg_get_userbyid(v.srvowner), 'wrapper ' || w.fdwname, 'type ' || v.srvtype,
                          'version ' || v.srvversion, 'options ' || v.srvoptions::text)
         FROM pg_catalog.pg_foreign_server AS v JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid = v.srvfdw
         UNION ALL
         -- Its options may be a password, so they are told as a digest.
         SELECT 'user mapping', coalesce(quote_ident(u.usename), 'public') || ' on ' || quote_ident(u.srvname),
                'options md5 ' || pg_catalog.md5(u.umoptions::text)
         FROM pg_catalog.pg_user_mappings AS u
         UNION ALL
         SELECT 'extension', quote_ident(e.extname), 'version ' || e.extversion FROM pg_catalog.pg_extension AS e
         UNION ALL
         SELECT 'privileges', p.kind || ' ' || p.name, granted.text
         FROM privilege AS p
         JOIN granted ON granted.list = p.list
         UNION ALL
         -- From the comments that there are, which are fewer than what may have one.
         SELECT 'comment', d.kind || ' ' || d.name, d.text
         FROM (SELECT 'schema', space.name, t.description
               FROM pg_catalog.pg_description AS t JOIN space ON space.oid = t.objoid
               WHERE t.classoid = 'pg_catalog.pg_namespace'::regclass AND t.objsubid = 0
               UNION ALL
               SELECT r.kind, r.name, t.description
               FROM pg_catalog.pg_description AS t JOIN relation AS r ON r.oid = t.objoid
               WHERE t.classoid = 'pg_catalog.pg_class'::regclass AND t.objsubid = 0
               UNION ALL
               SELECT 'column', r.name || '.' || quote_ident(a.attname), t.description
               FROM pg_catalog.pg_description AS t
               JOIN relation AS r ON r.oid = t.objoid
               JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.objoid AND a.attnum = t.objsubid
               WHERE t.classoid = 'pg_catalog.pg_class'::regclass AND a.attnum > 0 AND NOT a.attisdropped
               UNION ALL
               SELECT 'constraint', quote_ident(o.conname) || ' on ' || r.name, t.description
               FROM pg_catalog.pg_description AS t
               JOIN pg_catalog.pg_constraint AS o ON o.oid = t.objoid
               JOIN relation AS r ON r.oid = o.conrelid
               WHERE t.classoid = 'pg_catalog.pg_constraint'::regclass AND t.objsubid = 0
               UNION ALL
               SELECT 'trigger', quote_ident(g.tgname) || ' on ' || r.name, t.description
               FROM pg_catalog.pg_description AS t
               JOIN pg_catalog.pg_trigger AS g ON g.oid = t.objoid
               JOIN relation AS r ON r.oid = g.tgrelid
               WHERE t.classoid = 'pg_catalog.pg_trigger'::regclass AND t.objsubid = 0 AND NOT g.tgisinternal
               UNION ALL
               SELECT 'policy', quote_ident(p.polname) || ' on ' || r.name, t.description
               FROM pg_catalog.pg_description AS t
               JOIN pg_catalog.pg_policy AS p ON p.oid = t.objoid
               JOIN relation AS r ON r.oid = p.polrelid
               WHERE t.classoid = 'pg_catalog.pg_policy'::regclass AND t.objsubid = 0
               UNION ALL
               SELECT 'function', f.name, t.description
               FROM pg_catalog.pg_description AS t JOIN routine AS f ON f.oid = t.objoid
               WHERE t.classoid = 'pg_catalog.pg_proc'::regclass AND t.objsubid = 0
               UNION ALL
               SELECT 'type', type.name, t.description
               FROM pg_catalog.pg_description AS t JOIN type ON type.oid = t.objoid
               WHERE t.classoid = 'pg_catalog.pg_type'::regclass AND t.objsubid = 0) AS d (kind, name, text)
         WHERE d.text IS NOT NULL
     )
SELECT kind, name, definition FROM object
