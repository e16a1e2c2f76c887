//! The program stopped while the server waits on its socket in the middle of a statement: over a unix
//! socket nothing on the server ever ends that. The process that watches over the hold does.

use std::path::Path;

use rustix::process::Signal;
use tokio::runtime::Handle;
use tokio_postgres::Client;

use crate::ground::{DATABASE, Ground, PATIENCE, shared};
use crate::program::{Program, outcome};

/// No statement ends by the server's own clock in this time: the limit is twice of it.
const HOLD: &str = "10min";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_stopped_in_the_middle_of_a_big_result_holds_no_lock() {
    // One that is made row by row.
    let select = "SELECT repeat('x', 1000) FROM (SELECT generate_series(1, 200000000)) AS rows;\n";
    stop_in_the_middle("a big result", select.to_owned(), "ClientWrite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_stopped_in_a_flood_of_notices_holds_no_lock() {
    let notices = "DO $$ BEGIN FOR i IN 1..200000000 LOOP RAISE NOTICE '%', repeat('x', 1000); \
                   END LOOP; END $$;\n";
    stop_in_the_middle("notices", notices.to_owned(), "ClientWrite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_stopped_in_the_middle_of_copy_holds_no_lock() {
    make_slow_target(&shared().await).await;
    let lines = format!("{}\n", "x".repeat(2_000)).repeat(1_500);
    let copy = format!("COPY slow_target FROM STDIN;\n{lines}\\.\n");
    stop_in_the_middle("COPY", copy, "ClientRead").await;
}

/// A table slow enough to be stopped in the middle of a COPY that is more than fits into the socket.
pub async fn make_slow_target(ground: &Ground) {
    static MADE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let target = "CREATE TABLE slow_target (line text); \
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$; \
        CREATE TRIGGER slow BEFORE INSERT ON slow_target FOR EACH ROW EXECUTE FUNCTION slow()";
    let made = async {
        let client = ground.client(DATABASE).await;
        client.batch_execute(target).await.unwrap();
    };
    MADE.get_or_init(|| made).await;
}

async fn stop_in_the_middle(what: &'static str, middle: String, waits_for: &'static str) {
    let ground = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let table = ground.table().await;
    let client = ground.client(DATABASE).await;
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let script = table.script_file(folder.path(), &middle);
        let journal = script.with_extension("jsonl");
        let mut program = start(&ground, &script, &journal);
        program.apply();
        let pid = handle
            .block_on(table.wait_until_held(&client))
            .unwrap_or_else(|| panic!("{what}: never held:\n{}", program.text()));
        let words = ["generate_series", "RAISE NOTICE", "COPY slow_target"];
        handle.block_on(wait_for(
            &client,
            pid,
            "state = 'active' AND query ~ $2",
            &words.join("|"),
        ));
        program.signal(Signal::STOP);
        // Only then is it the case that this is about.
        handle.block_on(wait_for(&client, pid, "wait_event = $2", waits_for));
        let free = handle.block_on(table.wait_until_free(&client, PATIENCE));
        assert!(free.is_some(), "{what}: still held");
        program.signal(Signal::KILL);
        let (told, code) = outcome(&journal, ground.address(), &["--end-backend"]);
        assert!(told.starts_with("ROLLED BACK"), "{told}");
        assert_eq!(code, Some(3));
    })
    .await
    .unwrap();
}

fn start(ground: &Ground, script: &Path, journal: &Path) -> Program {
    let place = (ground.sandbox.socket_dir(), ground.sandbox.port());
    let more = ["--dead-man", "3s", "--hold-limit", HOLD];
    Program::stagegate_over_socket(place, script, journal, &more)
}

/// Waits until that is so of the backend.
async fn wait_for(client: &Client, pid: i32, what: &str, value: &str) {
    let since = tokio::time::Instant::now();
    let sql = format!("SELECT FROM pg_stat_activity WHERE pid = $1 AND {what}");
    while client
        .query(&sql, &[&pid, &value])
        .await
        .unwrap()
        .is_empty()
    {
        assert!(since.elapsed() < PATIENCE, "{pid} never has {what} {value}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
