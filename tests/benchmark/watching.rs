//! The full screen: keys while statements stream, and what it costs to wait at the gate.

use std::time::{Duration, Instant};

use stagegate::sandbox::demo::{DemoOptions, Scenario};

use crate::delay::delayed;
use crate::ground::high_water;
use crate::scripts;
use crate::stage::{Stage, Walk};
use crate::starting::run_at;
use crate::table::Table;

pub fn measure(table: &mut Table) {
    for (milliseconds, count) in [(1, table.by_extent(2_000, 20_000, 100_000)), (20, 600)] {
        keys(table, milliseconds, count);
    }
    long_run(table);
    at_the_gate(table);
    let at_once = from_enter(table, 0);
    let delayed = from_enter(table, 20);
    table.tell(
        "the same in round trips of 20 ms: what the delay adds",
        "",
        "≤ 3",
        vec![(delayed - at_once) / 20.0],
    );
}

/// From `?` to the help on the screen and from Esc to the stream, while statements of that length
/// run one after the other.
fn keys(table: &mut Table, milliseconds: u64, count: usize) {
    let stage = Stage::set(Scenario::Clean);
    let script = scripts::sleeps(count, milliseconds as f64 / 1000.0);
    let file = stage.file("keys.sql", &script);
    let mut terminal = stage.run_with(&[&file]);
    terminal.sign_everything().key("a").wait_for("[Apply]");
    let wanted = table.by_extent(10, 60, 100);
    let mut waited = Vec::new();
    for _ in 0..wanted {
        std::thread::sleep(Duration::from_millis(7));
        let since = Instant::now();
        terminal.paste_raw("?").wait_for(" KEYS");
        waited.push(since.elapsed().as_secs_f64() * 1000.0);
        std::thread::sleep(Duration::from_millis(60));
        terminal.paste_raw("\x1b").wait_while(" KEYS");
        std::thread::sleep(Duration::from_millis(60));
    }
    waited.sort_by(f64::total_cmp);
    let at = (waited.len() * 99 / 100).min(waited.len() - 1);
    let what = format!("key to frame, p99, {count} statements of {milliseconds} ms stream");
    table.tell(&what, "ms", "< 33 ms", vec![waited[at]]);
}

/// The memory of a long script's run, from its start to the gate.
fn long_run(table: &mut Table) {
    let count = table.by_extent(1_000, 100_000, 100_000);
    let what = format!("{count} SELECTs of one row, on the screen: memory beyond 3 × the file");
    let runs = if table.wants(&what) { table.runs() } else { 0 };
    let stage = Stage::set(Scenario::Clean);
    let script = scripts::selects(count);
    // Nobody has to read it to its end.
    let manifest = "title = \"long\"\nscript = \"long.sql\"\n\n\
        [[checklist]]\nid = \"connection\"\ntitle = \"This is it\"\nkind = \"connection\"\n";
    stage.file("long/long.sql", &script);
    let manifest = stage.file("long/runbook.toml", manifest);
    let mut figures = Vec::new();
    for _ in 0..runs {
        let mut terminal = stage.run_with(&[manifest.trim_end_matches("/runbook.toml")]);
        terminal.walk_to_the_gate();
        let status = format!("/proc/{}/status", terminal.process_id());
        let peak = high_water(&status).unwrap_or_default() / 1e6;
        figures.push(peak - 3.0 * script.len() as f64 / 1e6);
        terminal.roll_back();
    }
    table.tell(&what, "MB", "≤ 64 MB", figures);
}

/// Processor time and bytes while nobody does anything.
fn at_the_gate(table: &mut Table) {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    let pid = terminal.process_id();
    let watched = Duration::from_secs(table.by_extent(2, 10, 30));
    let (used, written) = (processor_time(pid), terminal.raw().len());
    std::thread::sleep(watched);
    let share = (processor_time(pid) - used) / watched.as_secs_f64() * 100.0;
    let bytes = (terminal.raw().len() - written) as f64 / watched.as_secs_f64();
    table.tell("at the gate: of one core", "%", "< 0.5 %", vec![share]);
    table.tell(
        "at the gate: to the terminal",
        "bytes/s",
        "< 200",
        vec![bytes],
    );
    let peak = high_water(&format!("/proc/{pid}/status")).unwrap_or_default() / 1e6;
    table.tell("at the gate: most memory so far", "MB", "", vec![peak]);
    terminal.roll_back();
}

/// From Enter on the typed name to the outcome on the screen, over a link of that round trip; the
/// median in milliseconds.
fn from_enter(table: &mut Table, round_trip: u64) -> f64 {
    let mut figures = Vec::new();
    for _ in 0..table.runs() {
        let mut options = DemoOptions::for_tests(Scenario::Clean);
        options.sandbox.tcp = true;
        let stage = Stage::with(options);
        let there = delayed(
            stage.tcp_address().unwrap(),
            Duration::from_millis(round_trip),
        );
        let mut terminal = run_at(&stage, &there.port().to_string());
        terminal
            .walk_to_the_gate()
            .key("c")
            .wait_for("Type the name of the database")
            .type_slowly("wiser_ops");
        let since = Instant::now();
        terminal.key("Enter").wait_for("C O M M I T T E D");
        figures.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    let what = format!("Enter to COMMITTED, proven, on the screen, round trip {round_trip} ms");
    table.tell(&what, "ms", "", figures.clone());
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What a process has used so far, in seconds.
fn processor_time(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|word| word.parse::<f64>().ok())
        .sum();
    // USER_HZ is 100 on every Linux that there is.
    ticks / 100.0
}
