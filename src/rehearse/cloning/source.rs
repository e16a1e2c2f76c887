//! What a clone has to know of its source, read from the catalogs in sessions that the server keeps
//! read-only.

use crate::database::link::{BrokenLink, Link};
use crate::database::session::READ_TIMEOUT;
use crate::database::session::read_only::{self, ReadOnlyLimits, literal};
use crate::database::{message, tables};
use crate::facts::{Millis, ServerMessage, Target};
use crate::runbook::{Runbook, rehearsal};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A digest for each object, by kind and name.
pub(super) type StructureDigests = BTreeMap<String, String>;

pub(super) struct SourceDatabase {
    pub(super) target: Target,
    pub(super) extensions: Vec<Extension>,
    /// The tables that the runbook touches.
    pub(super) tables: Vec<SourceTable>,
    pub(super) structure: StructureDigests,
    roles: Vec<Role>,
    members: Vec<Member>,
    settings: Vec<RoleSettings>,
}

#[derive(Debug, Deserialize)]
struct Catalogs {
    roles: Option<Vec<Role>>,
    members: Option<Vec<Member>>,
    settings: Option<Vec<RoleSettings>>,
    extensions: Option<Vec<Extension>>,
    tables: Option<Vec<SourceTable>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Extension {
    pub(super) name: String,
    pub(super) version: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct SourceTable {
    pub(super) name: String,
    /// Its estimate of the rows; `None` before the first ANALYZE.
    pub(super) rows: Option<u64>,
    pub(super) size: String,
}

#[derive(Debug, Deserialize)]
struct Role {
    name: String,
    /// Its attributes as `CREATE ROLE` takes them.
    attributes: String,
}

#[derive(Debug, Deserialize)]
struct Member {
    role: String,
    member: String,
    options: String,
}

/// What `ALTER ROLE … SET` left behind.
#[derive(Debug, Deserialize)]
struct RoleSettings {
    /// `None` for ALL.
    role: Option<String>,
    /// A `text[]` as PostgreSQL writes it.
    settings: String,
}

/// Never a password: they are in `pg_authid`, which is not read.
const CATALOGS: &str = "SELECT pg_catalog.json_build_object(
    'roles', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', r.rolname, 'attributes',
                  pg_catalog.concat_ws(' ', CASE WHEN r.rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
                      CASE WHEN r.rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
                      CASE WHEN r.rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
                      CASE WHEN r.rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
                      CASE WHEN r.rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
                      CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END)))
              FROM pg_catalog.pg_roles AS r WHERE r.rolname !~ '^pg_'),
    'members', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('role', r.rolname, 'member', m.rolname,
                    'options', pg_catalog.concat_ws(', ',
                        CASE WHEN a.admin_option THEN 'ADMIN OPTION' END,
                        'INHERIT ' || (pg_catalog.to_jsonb(a) ->> 'inherit_option'),
                        'SET ' || (pg_catalog.to_jsonb(a) ->> 'set_option'))))
                FROM pg_catalog.pg_auth_members AS a
                JOIN pg_catalog.pg_roles AS r ON r.oid = a.roleid
                JOIN pg_catalog.pg_roles AS m ON m.oid = a.member
                WHERE m.rolname !~ '^pg_'),
    'settings', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('role', r.rolname, 'settings', s.setconfig::text))
                 FROM pg_catalog.pg_db_role_setting AS s
                 LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
                 WHERE s.setdatabase = 0 AND (s.setrole = 0 OR r.oid IS NOT NULL)),
    'extensions', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', extname, 'version', extversion))
                   FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql'),
    'tables', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', q.name,
                   'rows', ROWS,
                   'size', pg_catalog.pg_size_pretty(q.relpages * pg_catalog.current_setting('block_size')::bigint)) ORDER BY q.name)
               FROM (SELECT DISTINCT c.reltuples, c.relpages,
                            pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
                     FROM NAMED WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_') AS q))";

/// Reads all of it. No lock of somebody else is waited for longer than `lock` milliseconds.
pub(super) async fn read_source(
    mut link: Link,
    target: Target,
    runbook: &Runbook,
    lock: Millis,
) -> Result<SourceDatabase, ServerMessage> {
    let catalogs = CATALOGS
        .replace("ROWS", &tables::estimated_rows("q"))
        .replace("NAMED", &tables::named(&runbook.impact().relations, false));
    let catalogs: Catalogs = object(&mut link, &[catalogs], lock).await?;
    let structure = structure(&mut link, lock).await?;
    Ok(SourceDatabase {
        target,
        structure,
        extensions: catalogs.extensions.unwrap_or_default(),
        tables: catalogs.tables.unwrap_or_default(),
        roles: catalogs.roles.unwrap_or_default(),
        members: catalogs.members.unwrap_or_default(),
        settings: catalogs.settings.unwrap_or_default(),
    })
}

/// The structure of what a link has reached.
pub(super) async fn structure(
    link: &mut Link,
    lock: Millis,
) -> Result<StructureDigests, ServerMessage> {
    object(link, &rehearsal::digests_now(), lock).await
}

/// The JSON object in the one cell that the last of some queries returns, in a READ ONLY transaction.
async fn object<T: DeserializeOwned>(
    link: &mut Link,
    texts: &[String],
    lock: Millis,
) -> Result<T, ServerMessage> {
    let queries = read_only::unnumbered(texts);
    let limits = ReadOnlyLimits {
        statement: READ_TIMEOUT,
        lock: Some(lock),
    };
    let answers = read_only::each(link, &queries, limits).await;
    let mut cell = None;
    for answer in answers.map_err(BrokenLink::why)? {
        let report = answer.map_err(|stopped| stopped.error)?;
        let rows = report.result.map(|result| result.rows).unwrap_or_default();
        cell = rows.into_iter().flatten().flatten().next().or(cell);
    }
    serde_json::from_str(&cell.unwrap_or_default())
        .map_err(|error| message::own(format!("the catalogs do not read: {error}")))
}

fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl SourceDatabase {
    /// The source's role of the throw-away superuser's name is none there.
    pub(super) fn promotes(&self, superuser: &str) -> bool {
        let same = |role: &&Role| role.name == superuser;
        let found = self.roles.iter().find(same);
        found.is_some_and(|role| role.attributes.starts_with("NOSUPERUSER"))
    }

    pub(super) fn roles_ddl(&self, superuser: &str) -> String {
        let mut sql = String::new();
        for role in &self.roles {
            // The throw-away server's own superuser stays one.
            if role.name != superuser {
                let (name, attributes) = (ident(&role.name), &role.attributes);
                sql.push_str(&format!("CREATE ROLE {name} {attributes};\n"));
            }
        }
        for member in &self.members {
            let (role, to) = (ident(&member.role), ident(&member.member));
            let options = match member.options.as_str() {
                "" => String::new(),
                options => format!(" WITH {options}"),
            };
            sql.push_str(&format!("GRANT {role} TO {to}{options};\n"));
        }
        for set in &self.settings {
            // As it is: to write it as ALTER ROLE … SET would take knowing which settings are lists.
            let role = match &set.role {
                None => "0".to_owned(),
                Some(name) => format!(
                    "(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {})",
                    literal(name)
                ),
            };
            sql.push_str(&format!(
                "INSERT INTO pg_catalog.pg_db_role_setting (setdatabase, setrole, setconfig) \
                 VALUES (0, {role}, {}::text[]);\n",
                literal(&set.settings)
            ));
        }
        sql
    }
}
