//! Nothing that the program adds to the held transaction may cost it (I12): whatever right a script
//! takes away, it still commits, and what is said of it is true.
//!
//! Which functions and relations that are is read from what the program says it sends.

use std::collections::BTreeSet;

use stagegate::database::session::{HoldOptions, Order};
use stagegate::facts::{After, XactStatus};
use stagegate::gate::event::{Body, CommitAnswer};
use stagegate::runbook::question::Question;

use crate::ending::wait_for_beats;
use crate::outcome::exists;
use crate::stage::{Stage, database, over_socket, psql, runbook, server};

/// What stands behind operators and casts that are named by their signs.
const BEHIND_SIGNS: &[&str] = &[
    "xid8eq(xid8, xid8)",
    "pg_lsn_ge(pg_lsn, pg_lsn)",
    "int4div(int4, int4)",
    "int4(boolean)",
    "int4eq(int4, int4)",
    "int4le(int4, int4)",
    "oideq(oid, oid)",
    "texteq(text, text)",
    "textcat(text, text)",
    "nameeq(name, name)",
    "charne(\"char\", \"char\")",
];

/// The names that stand directly behind `marks` in the texts.
fn names_behind(texts: &[String], mark: &str, call: bool) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for text in texts {
        for (at, _) in text.match_indices(mark) {
            let rest = &text[at + mark.len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
            if behind.starts_with('(') == call && !name.is_empty() {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// What the program says that it sends, besides the script.
async fn added() -> Vec<String> {
    let mut stage = Stage::new(&["SELECT 1"]).await;
    stage.begin().await.1
}

/// A walk whose script takes `rights` away, then goes on as an ordinary role: it is asked
/// something, beats, and commits.
async fn commits_without(rights: &[String], beats: usize) {
    let database = database(server()).await;
    let mut statements = vec!["CREATE TABLE t (i int)", "GRANT ALL ON t TO pg_monitor"];
    statements.extend(rights.iter().map(String::as_str));
    statements.extend([
        "SET ROLE pg_monitor",
        "SET lock_timeout = 0",
        "INSERT INTO public.t VALUES (1)",
        "LOCK TABLE public.t",
    ]);
    statements.push("SHOW lock_timeout");
    let options = HoldOptions {
        dead_man: if beats > 0 { 1_500 } else { 15_000 },
        ..HoldOptions::default()
    };
    let book = runbook(&statements);
    let mut stage = Stage::with(over_socket(server(), &database), book, options);
    stage.connect().await;
    let (xid, _) = stage.begin().await;
    stage.order(Order::RunScript);
    let said = stage.all().await;
    assert_eq!(
        said.last(),
        Some(&Body::ScriptFinished),
        "{rights:?}: {said:?}"
    );
    let shown = said.iter().rev().find_map(|body| match body {
        Body::StatementFinished(report) => report.result.clone(),
        _ => None,
    });
    assert_eq!(shown.unwrap().rows, [[Some("3s".to_owned())]], "{rights:?}");
    let settled = Body::Settled {
        same_transaction: true,
    };
    assert_eq!(stage.ask(Order::Settle).await, settled, "{rights:?}");
    if beats > 0 {
        wait_for_beats(&stage, beats).await;
    }
    let question = Question::read("SELECT 1").unwrap();
    let looked = loop {
        match stage.ask(Order::Query(question.clone(), 10_000)).await {
            Body::NumberDurable => {}
            Body::Looked(looked) => break looked,
            other => panic!("{rights:?}: {other:?}"),
        }
    };
    assert_eq!(looked.after, After::Unchanged, "{rights:?}: {looked:?}");
    let answer = stage.commit(&xid).await;
    let CommitAnswer::Tag {
        tag,
        idle,
        xact_status,
    } = &answer
    else {
        panic!("{rights:?}: {answer:?}");
    };
    assert_eq!((tag.as_str(), *idle), ("COMMIT", true), "{rights:?}");
    // Where the server may not be asked, the tag has to do.
    assert!(
        matches!(xact_status, Some(XactStatus::Committed) | None),
        "{rights:?}: {answer:?}"
    );
    assert!(exists(&stage, "t").await, "{rights:?}");
}

#[tokio::test]
async fn no_function_of_ours_that_a_script_forbids_costs_the_transaction() {
    let mut functions: BTreeSet<String> = names_behind(&added().await, "pg_catalog.", true);
    for name in ["pg_current_xact_id_if_assigned", "pg_backend_pid"] {
        assert!(
            functions.contains(name),
            "{name} is not among {functions:?}"
        );
    }
    functions.extend(
        [
            "set_config",
            "concat_ws",
            "string_agg",
            "pg_xact_status",
            "pg_current_wal_flush_lsn",
        ]
        .map(String::from),
    );
    functions.extend(BEHIND_SIGNS.iter().map(|name| (*name).to_owned()));
    let client = psql(server(), "postgres").await;
    for function in functions {
        let name = function.split('(').next().unwrap();
        let sql = format!(
            "SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure) \
             FROM pg_proc WHERE proname = '{name}' AND pronamespace = 'pg_catalog'::regnamespace"
        );
        let rows = client.query(&sql, &[]).await.unwrap();
        assert!(!rows.is_empty(), "there is no {name}");
        let rights: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let beats = if name == "pg_current_wal_flush_lsn" {
            3
        } else {
            0
        };
        commits_without(&rights, beats).await;
    }
}

#[tokio::test]
async fn no_catalog_that_a_script_hides_costs_the_transaction() {
    let mut relations = names_behind(&added().await, "FROM pg_catalog.", false);
    relations.extend(names_behind(&added().await, "JOIN pg_catalog.", false));
    assert!(relations.contains("pg_locks"), "{relations:?}");
    relations.extend(["pg_settings", "pg_proc", "pg_type", "pg_operator"].map(String::from));
    for relation in relations {
        let hidden = format!("REVOKE ALL ON pg_catalog.{relation} FROM PUBLIC");
        commits_without(&[hidden], 0).await;
    }
}

#[tokio::test]
async fn everything_forbidden_at_once_does_not_cost_the_transaction() {
    let rights = [
        "REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA pg_catalog FROM PUBLIC",
        "REVOKE ALL ON ALL TABLES IN SCHEMA pg_catalog FROM PUBLIC",
        "SET search_path = ''",
    ];
    commits_without(&rights.map(String::from), 3).await;
}

#[tokio::test]
async fn a_script_that_began_another_transaction_is_not_committed_where_its_number_is_hidden() {
    let rights =
        "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_current_xact_id_if_assigned() FROM PUBLIC";
    for end in ["ROLLBACK AND CHAIN", "COMMIT AND CHAIN"] {
        // The right is gone before, so that it is gone in the second transaction too.
        let mut stage = Stage::set(rights, &[end, "SET ROLE pg_monitor", "SELECT 1"]).await;
        stage.begin().await;
        stage.order(Order::RunScript);
        let said = stage.all().await;
        assert_eq!(said.last(), Some(&Body::ScriptFinished), "{said:?}");
        let settled = Body::Settled {
            same_transaction: false,
        };
        assert_eq!(stage.ask(Order::Settle).await, settled, "{end}");
    }
}
