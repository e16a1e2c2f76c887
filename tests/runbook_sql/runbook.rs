//! The files of the built-in runbook as a test needs them, and the rows that they answer with.

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::cluster::{cluster, within};

/// Reads a file of the runbook.
pub fn file(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where a file of the runbook lies.
pub fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("sql/stage_1_utn_workflow")
        .join(name)
}

pub const SCRIPT: &str = "STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql";
/// The rollback scripts, in their order.
pub const ROLLBACKS: [&str; 3] = [
    "rollback/013_integration_receive_serviceops.sql",
    "rollback/012_packet_decision.sql",
    "rollback/011_integration_inbox.sql",
];
const RULE: &str =
    "-- ============================================================================\n";

/// The text of one section, from its title on to the next title.
pub fn section(name: &str, title: &str) -> String {
    let text = file(name);
    let head = format!("{RULE}-- {title}\n{RULE}");
    let (_, rest) = text
        .split_once(&head)
        .unwrap_or_else(|| panic!("no section {title:?} in {name}"));
    rest.split(RULE).next().unwrap().to_owned()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub check: String,
    pub status: String,
    pub detail: String,
}

/// Sends a whole file in one go, without psql's own lines; gives the rows that carry a verdict.
pub async fn run(client: &Client, sql: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
    let sent: String = sql
        .lines()
        .filter(|line| !line.starts_with('\\'))
        .flat_map(|line| [line, "\n"])
        .collect();
    Ok(client
        .simple_query(&sent)
        .await?
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(Row {
                check: row.try_get("check").ok()??.to_owned(),
                status: row.try_get("status").ok()?.unwrap_or("NULL").to_owned(),
                detail: row.try_get("detail").ok()?.unwrap_or("NULL").to_owned(),
            }),
            _ => None,
        })
        .collect())
}

/// Asserts that exactly these rows are not PASS, each with these words in its detail.
#[track_caller]
pub fn assert_not_pass(rows: &[Row], what: &str, expected: &[(&str, &str, &str)]) {
    let found: Vec<&Row> = rows.iter().filter(|row| row.status != "PASS").collect();
    let right = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(row, (check, status, words))| {
                row.check == *check && row.status == *status && row.detail.contains(words)
            });
    assert!(right, "{what}\nexpected {expected:?}\nfound {found:#?}");
}

/// A database with the schema and 300 rows a table.
pub async fn pristine() -> (String, Client) {
    database_from("pristine").await
}

pub async fn migrated() -> (String, Client) {
    let (name, client) = pristine().await;
    run(&client, &file(SCRIPT)).await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    (name, client)
}

/// A database with the schema and all of the sample data.
pub async fn full() -> (String, Client) {
    database_from("whole").await
}

async fn database_from(template: &str) -> (String, Client) {
    static TEMPLATES: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    TEMPLATES
        .get_or_init(async || {
            let server = cluster();
            let postgres = server.connect("postgres").await;
            for (name, rows) in [("pristine", "300"), ("whole", "50000")] {
                postgres
                    .batch_execute(&format!("CREATE DATABASE {name}"))
                    .await
                    .unwrap();
                let client = server.connect(name).await;
                client
                    .batch_execute(&file("demo/schema.sql"))
                    .await
                    .unwrap();
                let data = file("demo/sample_data.sql").replace("50000", rows);
                client.batch_execute(&data).await.unwrap();
                drop(client);
                // A template must have no session; ours takes a moment to leave.
                let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
                within("our session has left the template", async {
                    while postgres
                        .query_one(sessions, &[&name])
                        .await
                        .unwrap()
                        .get::<_, i64>(0)
                        > 0
                    {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
            }
        })
        .await;
    let name = cluster().database(template).await;
    let client = cluster().connect(&name).await;
    (name, client)
}

/// Every column, constraint, index, sequence, comment and privilege of the two schemas, a line each.
pub async fn structure(client: &Client) -> Vec<String> {
    lines(
        client,
        r"
        SELECT format('column %s %s %s %s default %s not null %s identity %s', a.attrelid::regclass, a.attname,
                      row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum),
                      format_type(a.atttypid, a.atttypmod), coalesce(pg_get_expr(d.adbin, d.adrelid), '-'),
                      a.attnotnull, a.attidentity)
               || coalesce(' comment ' || col_description(a.attrelid, a.attnum), '') || coalesce(a.attacl::text, '')
        FROM pg_attribute AS a
        JOIN pg_class AS t ON t.oid = a.attrelid AND t.relkind = 'r'
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE t.relnamespace IN ('service_ops'::regnamespace, 'integration'::regnamespace)
          AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT format('constraint %s on %s %s validated %s', conname, conrelid::regclass, pg_get_constraintdef(oid), convalidated)
        FROM pg_constraint
        WHERE connamespace IN ('service_ops'::regnamespace, 'integration'::regnamespace)
        UNION ALL
        SELECT pg_get_indexdef(i.indexrelid) || ' valid ' || i.indisvalid
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE c.relnamespace IN ('service_ops'::regnamespace, 'integration'::regnamespace)
        UNION ALL
        SELECT format('relation %s.%s %s %s %s', relnamespace::regnamespace, relname, relkind,
                      coalesce(relacl::text, '-'), coalesce(obj_description(oid, 'pg_class'), '-'))
        FROM pg_class
        WHERE relnamespace IN ('service_ops'::regnamespace, 'integration'::regnamespace)
        UNION ALL
        SELECT format('trigger %s on %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal",
    )
    .await
}

/// What changes when anything at all is written: versions and places of the rows of the tables and
/// of what the catalogs say about them.
pub async fn versions(client: &Client) -> Vec<String> {
    lines(
        client,
        r"
        WITH ours AS (
            SELECT oid FROM pg_class
            WHERE relnamespace IN ('service_ops'::regnamespace, 'integration'::regnamespace))
        SELECT format('class %s %s %s %s', oid::regclass, ctid, xmin, relfilenode) FROM pg_class WHERE oid IN (TABLE ours)
        UNION ALL
        SELECT format('attribute %s %s %s %s', attrelid::regclass, attname, ctid, xmin) FROM pg_attribute WHERE attrelid IN (TABLE ours)
        UNION ALL
        SELECT format('default %s %s %s %s', adrelid::regclass, adnum, ctid, xmin) FROM pg_attrdef WHERE adrelid IN (TABLE ours)
        UNION ALL
        SELECT format('index %s %s %s', indexrelid::regclass, ctid, xmin) FROM pg_index WHERE indrelid IN (TABLE ours)
        UNION ALL
        SELECT format('constraint %s %s %s', conname, ctid, xmin) FROM pg_constraint WHERE conrelid IN (TABLE ours)
        UNION ALL
        SELECT format('trigger %s %s %s', tgname, ctid, xmin) FROM pg_trigger WHERE tgrelid IN (TABLE ours)
        UNION ALL
        SELECT 'inbox ' || md5(string_agg(format('%s %s', ctid, xmin), ' ' ORDER BY ctid)) FROM service_ops.integration_inbox
        UNION ALL
        SELECT 'decision ' || md5(string_agg(format('%s %s', ctid, xmin), ' ' ORDER BY ctid)) FROM service_ops.packet_decision
        UNION ALL
        SELECT 'response ' || md5(string_agg(format('%s %s', ctid, xmin), ' ' ORDER BY ctid))
        FROM integration.integration_receive_serviceops",
    )
    .await
}

/// The file on disk that each of the three tables lies in; a rewrite makes a new one.
pub async fn heaps(client: &Client) -> Vec<String> {
    lines(
        client,
        r"SELECT format('%s %s', t, pg_relation_filenode(t))
          FROM unnest(ARRAY['service_ops.integration_inbox', 'service_ops.packet_decision',
                            'integration.integration_receive_serviceops']::regclass[]) AS t",
    )
    .await
}

async fn lines(client: &Client, sql: &str) -> Vec<String> {
    let mut lines: Vec<String> = client
        .query(sql, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    lines.sort();
    lines
}
