//! Which queries a server may compile before it runs them: those of people, and none of the program's own.

use stagegate::database::link::Link;
use stagegate::database::session::read_only::{self, ReadOnlyLimits, ReadOnlyQuery};
use stagegate::database::session::{HoldOptions, Order};
use stagegate::gate::event::Body;

use crate::stage::{Stage, database, over_socket, runbook, script, server};

const SHOW: &str = "SELECT pg_catalog.current_setting('jit')";

const LIMITS: ReadOnlyLimits = ReadOnlyLimits {
    statement: 10_000,
    lock: None,
};

async fn session_has(link: &mut Link) -> Option<String> {
    link.row(SHOW).await.unwrap().into_iter().next().flatten()
}

#[tokio::test]
async fn what_the_program_asks_is_not_compiled_and_a_file_of_checks_is_as_the_session_has_it() {
    let name = database(server()).await;
    let (mut link, _) = read_only::open(&over_socket(server(), &name))
        .await
        .unwrap();
    link.ask("SET jit = on").await.unwrap();
    let asked = read_only::each(&mut link, &[ReadOnlyQuery::from(SHOW)], LIMITS).await;
    let report = asked.unwrap().remove(0).unwrap();
    assert_eq!(report.result.unwrap().rows, [[Some("off".to_owned())]]);
    let sent = read_only::send(&mut link, SHOW, LIMITS).await.unwrap();
    let rows = sent.rows(&mut link).await.unwrap().unwrap();
    assert_eq!(rows, [[Some("off".to_owned())]]);
    assert_eq!(session_has(&mut link).await.as_deref(), Some("on"));
    let ran = read_only::script(&mut link, &script(&[SHOW]), LIMITS, None).await;
    let report = ran.unwrap().unwrap().remove(0);
    assert_eq!(report.result.unwrap().rows, [[Some("on".to_owned())]]);
}

#[tokio::test]
async fn the_transaction_of_the_script_compiles_as_its_session_does() {
    let statements = ["SET jit = on", SHOW, "CREATE TABLE t (i int)", SHOW];
    let mut book = runbook(&statements);
    book.post_verification = Some(script(&[SHOW]));
    let name = database(server()).await;
    let mut stage = Stage::with(over_socket(server(), &name), book, HoldOptions::default());
    stage.connect().await;
    let (xid, reports) = stage.apply().await;
    let shown = reports.iter().filter_map(|report| report.result.as_ref());
    let shown: Vec<_> = shown.map(|set| set.rows[0][0].as_deref()).collect();
    assert_eq!(shown, [Some("on"); 2]);
    stage.commit(&xid).await;
    let Body::PostVerified { results } = stage.ask(Order::PostVerify).await else {
        panic!("the post-verification ran");
    };
    let rows = &results[0].result.as_ref().unwrap().rows;
    assert_eq!(rows, &[[Some("on".to_owned())]]);
}
