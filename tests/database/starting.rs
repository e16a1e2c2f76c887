//! A server that is not ready yet: it is waited for, told, and left when somebody leaves.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use stagegate::database::session::{HoldOptions, Order};
use stagegate::gate::event::Body;
use stagegate::sandbox::SandboxOptions;
use tokio_postgres::Client;

use crate::ending::Own;
use crate::stage::{Stage, over_socket, psql, runbook, within};

async fn process_of(client: &Client) -> Pid {
    let row = client.query_one("SELECT pg_backend_pid()", &[]).await;
    Pid::from_raw(row.unwrap().get(0)).unwrap()
}

/// A server after a crash of one of its processes, which waits for another one that is stopped: until
/// then it recovers, and lets nobody in.
async fn recovering() -> (Own, Pid) {
    let own = Own::start(SandboxOptions::for_tests()).await;
    let (stopped, killed) = (
        psql(own.server(), "postgres").await,
        psql(own.server(), "postgres").await,
    );
    let stays = process_of(&stopped).await;
    let goes = process_of(&killed).await;
    kill_process(stays, Signal::STOP).unwrap();
    kill_process(goes, Signal::KILL).unwrap();
    (own, stays)
}

fn connecting(own: &Own) -> Stage {
    let settings = over_socket(own.server(), "postgres");
    let mut stage = Stage::with(settings, runbook(&["SELECT 1"]), HoldOptions::default());
    stage.order(Order::Connect);
    stage
}

/// What is told first, once the server says that it is not ready; it may still let somebody in when
/// it has not noticed the crash yet.
async fn told(own: &Own) -> Stage {
    within("the server says that it is not ready", asking(own)).await
}

async fn asking(own: &Own) -> Stage {
    loop {
        let mut stage = connecting(own);
        match within("an answer of the server", stage.next()).await.body {
            Body::Noticed { message, .. } => {
                assert_eq!(message.sqlstate.as_deref(), Some("57P03"), "{message:?}");
                let hint = message.hint.unwrap_or_default();
                assert!(hint.contains("asked again for up to 10 s"), "{hint}");
                return stage;
            }
            // Told at once, and not waited for.
            Body::ConnectFailed(why) if why.is_not_ready() => panic!("{why:?}"),
            Body::Connected(_) | Body::ConnectFailed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// How many the server did not let in for not being ready.
fn turned_away(own: &Own) -> usize {
    let log = std::fs::read_to_string(own.server().log_path()).unwrap();
    log.matches("FATAL:  the database system is").count()
}

#[tokio::test]
async fn a_server_that_recovers_is_waited_for_and_reached() {
    let (own, stopped) = recovering().await;
    let mut stage = told(&own).await;
    let before = turned_away(&own);
    within("it is asked again, and again", async {
        while turned_away(&own) < before + 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    kill_process(stopped, Signal::CONT).unwrap();
    match within("the server to be ready", stage.next()).await.body {
        Body::Connected(target) => assert_eq!(target.database, "postgres"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_leaves_does_not_wait_for_a_server_to_be_ready() {
    let (own, stopped) = recovering().await;
    let mut stage = told(&own).await;
    stage.session.sever();
    match within("the end of the wait", stage.next()).await.body {
        // The wait itself ends in the server's words.
        Body::ConnectFailed(why) => assert_eq!(why.message, "the attempt was given up"),
        other => panic!("{other:?}"),
    }
    kill_process(stopped, Signal::CONT).unwrap();
}
