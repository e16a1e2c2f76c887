//! Roles, database, tables and rows of the demo, from the SQL files beside the runbook.

use sha2::{Digest, Sha256};
use tokio_postgres::{Client, Config, NoTls};

use super::{APPLICATION, DATABASE, OWNER, Scenario};
use crate::sandbox::SandboxError;

/// What our own sessions are called.
pub(super) const NAME: &str = "stagegate demo";

const SCHEMA: &str = include_str!("../../../sql/stage_1_utn_workflow/demo/schema.sql");
const SAMPLE_DATA: &str = include_str!("../../../sql/stage_1_utn_workflow/demo/sample_data.sql");
const FAILING_CHECK: &str =
    include_str!("../../../sql/stage_1_utn_workflow/demo/failing_check.sql");
const DUPLICATE_MESSAGE_IDS: &str =
    include_str!("../../../sql/stage_1_utn_workflow/demo/duplicate_message_ids.sql");

/// A name that changes whenever what [`everything`] loads does.
pub(super) fn content_name() -> String {
    let mut hash = Sha256::new();
    for part in [
        &roles_and_database().join(";"),
        SCHEMA,
        SAMPLE_DATA,
        &grants(),
    ] {
        hash.update(part);
        hash.update([0]);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Makes two roles, neither of them a superuser, the owner's database, and its tables and rows;
/// the application may work with them.
pub(super) async fn everything(superuser: &Config, owner: &Config) -> Result<(), SandboxError> {
    let client = connect(superuser, NAME).await?;
    for statement in roles_and_database() {
        client
            .batch_execute(&statement)
            .await
            .map_err(refused("make the demo's roles and database"))?;
    }
    let client = connect(owner, NAME).await?;
    for (doing, sql) in [
        ("make the demo's tables", SCHEMA),
        ("load the demo's rows", SAMPLE_DATA),
        ("let the demo's application in", &grants()),
    ] {
        client.batch_execute(sql).await.map_err(refused(doing))?;
    }
    // Reads what was loaded once more, so that the first reader in the demo writes no hint bits,
    // and its planner knows the tables.
    client
        .batch_execute("VACUUM ANALYZE")
        .await
        .map_err(refused("analyze the demo's rows"))
}

fn roles_and_database() -> [String; 3] {
    [
        format!("CREATE ROLE {OWNER} LOGIN"),
        format!("CREATE ROLE {APPLICATION} LOGIN"),
        format!("CREATE DATABASE {DATABASE} OWNER {OWNER}"),
    ]
}

fn grants() -> String {
    format!(
        "GRANT USAGE ON SCHEMA service_ops, integration TO {APPLICATION};
         GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA service_ops, integration
             TO {APPLICATION};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA service_ops, integration TO {APPLICATION}"
    )
}

pub(super) async fn situation(owner: &Config, scenario: Scenario) -> Result<(), SandboxError> {
    let sql = match scenario {
        Scenario::Clean | Scenario::Blocked | Scenario::Busy => return Ok(()),
        Scenario::FailingCheck => FAILING_CHECK,
        Scenario::DuplicateMessageIds => DUPLICATE_MESSAGE_IDS,
    };
    let client = connect(owner, NAME).await?;
    client
        .batch_execute(sql)
        .await
        .map_err(refused("set the demo's situation"))
}

/// Connects under a name that others see; the connection is driven in the background.
pub(super) async fn connect(config: &Config, name: &str) -> Result<Client, SandboxError> {
    let (client, connection) = config
        .clone()
        .application_name(name)
        .connect(NoTls)
        .await
        .map_err(refused("let the demo connect"))?;
    tokio::spawn(async move {
        // Its end is seen by whoever next uses the client.
        let _ = connection.await;
    });
    Ok(client)
}

/// What the server said, for the sentence "refused to `doing`: …".
pub(super) fn refused(doing: &str) -> impl FnOnce(tokio_postgres::Error) -> SandboxError {
    let doing = doing.to_owned();
    move |error| SandboxError::Sql {
        doing,
        problem: match error.as_db_error() {
            Some(said) => format!("{} (SQLSTATE {})", said.message(), said.code().code()),
            None => match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
        },
    }
}
