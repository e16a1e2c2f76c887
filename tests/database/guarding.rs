//! The process that watches over the hold: where it cannot be started that is evidence before BEGIN,
//! and where it is gone another one takes its place, or it is told.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use stagegate::database::session::{HoldOptions, Order};
use stagegate::facts::{Evidence, Standing};
use stagegate::gate::event::Body;

use crate::stage::{Stage, database, over_socket, runbook, server, within};

/// The item of [`runbook`] about the connection.
const CONNECTION: usize = 1;

async fn guarded_by(program: PathBuf) -> Stage {
    let database = database(server()).await;
    let options = HoldOptions {
        guard: Some(program),
        dead_man: 1_500,
        ..HoldOptions::default()
    };
    let book = runbook(&["CREATE TABLE t (i int)"]);
    let mut stage = Stage::with(over_socket(server(), &database), book, options);
    stage.connect().await;
    stage
}

async fn evidence(stage: &mut Stage) -> Evidence {
    match stage.ask(Order::Probe(vec![CONNECTION])).await {
        Body::Probed { evidence, .. } => evidence,
        other => panic!("{other:?}"),
    }
}

/// What is said of the watch next.
async fn missing(stage: &mut Stage) -> Option<String> {
    loop {
        if let Body::Guard { missing } = stage.next().await.body {
            return missing.map(|why| why.message);
        }
    }
}

/// Ourselves, behind a script that says who it is.
fn behind_a_script(folder: &Path) -> PathBuf {
    let script = folder.join("guard");
    let text = format!(
        "#!/bin/sh\necho $$ > '{}'\nexec '{}' \"$@\"\n",
        folder.join("pid").display(),
        env!("CARGO_BIN_EXE_stagegate")
    );
    std::fs::write(&script, text).unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    script
}

fn pid(folder: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(folder.join("pid")).ok()?;
    text.trim().parse().ok()
}

#[tokio::test]
async fn a_watch_that_cannot_be_started_is_a_warning_before_anything_is_begun() {
    let mut stage = guarded_by("/nonexistent/stagegate".into()).await;
    let found = evidence(&mut stage).await;
    assert_eq!(found.standing, Standing::Warns, "{found:?}");
    assert!(
        found.summary.contains("no process watches over the hold"),
        "{found:?}"
    );
    assert!(found.lines[0].contains("cannot be started"), "{found:?}");
    // It is signed for then, and the walk goes on.
    stage.apply().await;
}

#[tokio::test]
async fn a_watch_that_is_killed_is_replaced_and_one_that_cannot_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = guarded_by(behind_a_script(folder.path())).await;
    assert_eq!(evidence(&mut stage).await.standing, Standing::Holds);
    stage.apply().await;
    let first = pid(folder.path()).unwrap();
    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    let second = within("another one watches", async {
        loop {
            match pid(folder.path()) {
                Some(second) if second != first => break second,
                _ => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    })
    .await;
    // There is no third.
    std::fs::remove_file(folder.path().join("guard")).unwrap();
    kill_process(Pid::from_raw(second).unwrap(), Signal::KILL).unwrap();
    let why = missing(&mut stage).await.expect("a reason");
    assert!(
        why.contains("the process that watches over the hold is not there"),
        "{why}"
    );
    // The transaction does not suffer from it.
    assert!(matches!(
        stage.ask(Order::RollBack).await,
        Body::RollbackAnswered { .. }
    ));
}
