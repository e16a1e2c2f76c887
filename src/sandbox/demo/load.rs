//! Roles, database, tables and rows of the demo, from the SQL files beside the runbook.

use tokio_postgres::{Client, Config, NoTls};

use super::{APPLICATION, DATABASE, OWNER, Scenario};
use crate::sandbox::SandboxError;

const SCHEMA: &str = include_str!("../../../sql/stage_1_utn_workflow/demo/schema.sql");
const SAMPLE_DATA: &str = include_str!("../../../sql/stage_1_utn_workflow/demo/sample_data.sql");
const FAILING_CHECK: &str =
    include_str!("../../../sql/stage_1_utn_workflow/demo/failing_check.sql");
const DUPLICATE_MESSAGE_IDS: &str =
    include_str!("../../../sql/stage_1_utn_workflow/demo/duplicate_message_ids.sql");

/// Makes the two roles, neither of them a superuser, and the database, owned by the owner.
pub(super) async fn roles_and_database(superuser: &Config) -> Result<(), SandboxError> {
    let client = connect(superuser, "stagegate demo").await?;
    for statement in [
        format!("CREATE ROLE {OWNER} LOGIN"),
        format!("CREATE ROLE {APPLICATION} LOGIN"),
        format!("CREATE DATABASE {DATABASE} OWNER {OWNER}"),
    ] {
        client
            .batch_execute(&statement)
            .await
            .map_err(refused("make the demo's roles and database"))?;
    }
    Ok(())
}

/// Loads schema and rows as the owner, and lets the application at them.
pub(super) async fn tables(owner: &Config, scenario: Scenario) -> Result<(), SandboxError> {
    let client = connect(owner, "stagegate demo").await?;
    let grants = format!(
        "GRANT USAGE ON SCHEMA service_ops, integration TO {APPLICATION};
         GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA service_ops, integration
             TO {APPLICATION};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA service_ops, integration TO {APPLICATION}"
    );
    let situation = match scenario {
        Scenario::Clean | Scenario::Blocked | Scenario::Busy => "",
        Scenario::FailingCheck => FAILING_CHECK,
        Scenario::DuplicateMessageIds => DUPLICATE_MESSAGE_IDS,
    };
    for (doing, sql) in [
        ("make the demo's tables", SCHEMA),
        ("load the demo's rows", SAMPLE_DATA),
        ("let the demo's application in", &grants),
        ("set the demo's situation", situation),
    ] {
        client.batch_execute(sql).await.map_err(refused(doing))?;
    }
    Ok(())
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
