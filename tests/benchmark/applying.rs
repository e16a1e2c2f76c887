//! Applying a script: the whole run and the lock window beside psql's.

use std::time::Duration;

use crate::delay::delayed;
use crate::ground::{Ground, run};
use crate::scripts;
use crate::table::Table;

pub fn measure(table: &mut Table) {
    let ground = Ground::lay();
    // What every run needs, whatever is in it: its connections, its questions, its journal.
    whole(table, &ground, "one SELECT", scripts::CHECK, "");
    let largest = table.by_extent(1_000, 10_000, 100_000);
    for count in [1_000, 10_000, 100_000]
        .into_iter()
        .filter(|n| *n <= largest)
    {
        whole(
            table,
            &ground,
            &format!("{count} small INSERTs"),
            &scripts::inserts(count),
            "≤ 1.2",
        );
        whole(
            table,
            &ground,
            &format!("{count} SELECTs of one row"),
            &scripts::selects(count),
            "",
        );
    }
    let scale = table.by_extent(50, 5, 1);
    let bulk = scripts::bulk(1_000, 104_000_000 / scale);
    whole(
        table,
        &ground,
        &format!("1,000 statements in {} MB", 104 / scale),
        &bulk,
        "≤ 1.2",
    );
    let made = ground.file("there.sql", &scripts::to_be_altered());
    run(ground.psql(&made));
    let new = scripts::ddl();
    for (what, script) in [
        ("30 statements of DDL", &new),
        ("30 statements on tables that are there", &scripts::alters()),
        ("30 columns on 3 tables that are there", &scripts::columns()),
    ] {
        window(table, &ground, (what, script), None);
    }
    let many = table.by_extent(10, 200, 200);
    let said = table.by_extent(2_000, 10_000, 40_000);
    for (what, script) in [
        (
            format!("{many} results of 3,000 rows of 1 kB"),
            scripts::wide_results(many),
        ),
        (format!("{said} notices of 20 kB"), scripts::notices(said)),
    ] {
        whole(table, &ground, &what, &script, "");
    }
    let address = ground.server.tcp_address().unwrap();
    for round_trip in table.by_extent(vec![5], vec![1, 5, 20], vec![1, 5, 20, 50]) {
        let delayed = delayed(address, Duration::from_millis(round_trip));
        let link = Some((round_trip, delayed.port()));
        window(table, &ground, ("30 statements of DDL", &new), link);
    }
}

/// The run from start to end, and its memory.
fn whole(table: &mut Table, ground: &Ground, what: &str, script: &str, aim: &str) {
    let ours = ground.file("ours.sql", script);
    let theirs = ground.file("theirs.sql", &scripts::for_psql(script));
    let mut peak = Vec::new();
    table.compare(
        &format!("whole run: {what}"),
        ("ms", aim),
        || {
            let cost = run(ground.stagegate(&rehearsing(ours.to_str().unwrap()), None));
            peak.push(cost.peak / 1e6 - 3.0 * script.len() as f64 / 1e6);
            cost.milliseconds
        },
        "psql",
        || run(ground.psql(&theirs)).milliseconds,
    );
    table.tell(
        &format!("{what}: memory beyond 3 × the file"),
        "MB",
        "≤ 64 MB",
        peak,
    );
}

/// How a run that never commits is asked for without a terminal.
fn rehearsing(script: &str) -> [&str; 3] {
    ["run", "--rehearse", script]
}

/// The lock window of a script, over a link of that round trip where one is named.
fn window(
    table: &mut Table,
    ground: &Ground,
    (what, script): (&str, &str),
    link: Option<(u64, u16)>,
) {
    let script = scripts::marked(script);
    let ours = ground.file("ours.sql", &script);
    let theirs = ground.file("theirs.sql", &scripts::for_psql(&script));
    let round_trip = link.map_or(0, |(milliseconds, _)| milliseconds);
    let port = link.map(|(_, port)| port);
    table.compare(
        &format!("lock window: {what}, round trip {round_trip} ms"),
        ("ms", if round_trip == 0 { "≤ 1.0" } else { "" }),
        || {
            run(ground.stagegate(&rehearsing(ours.to_str().unwrap()), port));
            ground.window()
        },
        "psql",
        || {
            let mut command = ground.psql(&theirs);
            if let Some(port) = port {
                command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
            }
            run(command);
            ground.window()
        },
    );
}
