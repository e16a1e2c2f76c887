//! Reading a script without a server: how time and memory grow with it.

use crate::ground::{Ground, run};
use crate::scripts;
use crate::table::Table;

pub fn measure(table: &mut Table) {
    let ground = Ground::lay();
    let scale = table.by_extent(20, 2, 1);
    let sized = [
        (
            "100,000 small statements",
            scripts::inserts(100_000 / scale),
        ),
        (
            "1,000 statements in 104 MB",
            scripts::bulk(1_000, 104_000_000 / scale),
        ),
        (
            "one INSERT of 300,000 rows",
            scripts::one_insert(300_000 / scale),
        ),
    ];
    for (what, text) in sized {
        let file = ground.file("read.sql", &text);
        let megabytes = text.len() as f64 / 1e6;
        for format in ["text", "json"] {
            let costs: Vec<_> = (0..table.runs())
                .map(|_| {
                    let path = file.to_str().unwrap();
                    run(ground.offline(&["show", path, "--format", format]))
                })
                .collect();
            let speed = costs.iter().map(|cost| megabytes / cost.milliseconds * 1e3);
            let what = format!("show as {format}: {what}, 1/{scale}");
            table.tell(&what, "MB/s", "", speed.collect());
            // What it needs beyond three times the file.
            let beyond = costs.iter().map(|cost| cost.peak / 1e6 - 3.0 * megabytes);
            table.tell(
                &format!("{what}: memory beyond 3 × the file"),
                "MB",
                "≤ 32 MB",
                beyond.collect(),
            );
        }
    }
    grow(table, &ground);
}

/// Twice the lines, twice the time: the ratio of the time per line.
fn grow(table: &mut Table, ground: &Ground) {
    let lines = table.by_extent(1_000, 10_000, 10_000);
    let small = ground.file("small.sql", &scripts::add_columns(lines));
    let large = ground.file("large.sql", &scripts::add_columns(2 * lines));
    let show = |path: &std::path::Path, lines: usize| {
        let cost = run(ground.offline(&["show", path.to_str().unwrap()]));
        cost.milliseconds * 1e3 / lines as f64
    };
    table.compare(
        &format!("show, time per line: {} ADD COLUMN lines", 2 * lines),
        ("µs", "about 1"),
        || show(&large, 2 * lines),
        "half as many",
        || show(&small, lines),
    );
}
