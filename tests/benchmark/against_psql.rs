//! How stagegate compares with psql, and how its costs grow: `cargo bench --bench against_psql`.
//!
//! It prints a table and asserts nothing: what is measured is told as the median of interleaved
//! pairs with the least and the most. `-- --short` runs a small form of each row, `-- --full` the
//! long one and writes `assets/benchmarks.md`; further words choose rows by their name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../shared/answers.rs"]
mod answers;
#[path = "applying.rs"]
mod applying;
#[path = "../shared/clients.rs"]
mod clients;
#[path = "delay.rs"]
mod delay;
#[path = "ground.rs"]
mod ground;
#[path = "../shared/psql.rs"]
mod psql;
#[path = "reading.rs"]
mod reading;
#[path = "scripts.rs"]
mod scripts;
#[path = "../shared/session.rs"]
mod session;
#[path = "../stories/stage.rs"]
#[allow(dead_code)]
mod stage;
#[path = "starting.rs"]
mod starting;
#[path = "table.rs"]
mod table;
#[path = "../stories/terminal.rs"]
#[allow(dead_code)]
mod terminal;
#[path = "../shared/typist.rs"]
mod typist;
#[path = "watching.rs"]
mod watching;

use table::{Extent, Table};

/// Measures the rows of one room.
type Measure = fn(&mut Table);

fn main() {
    // `cargo bench` and `cargo test` hand over words of their own.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let extent = match () {
        () if words.iter().any(|word| word == "--short") => Extent::Short,
        () if words.iter().any(|word| word == "--full") => Extent::Full,
        () => Extent::Usual,
    };
    let chosen: Vec<&String> = words
        .iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|word| name.contains(*word));
    let rooms: [(&str, Measure); 4] = [
        ("reading", reading::measure),
        ("applying", applying::measure),
        ("watching", watching::measure),
        ("starting", starting::measure),
    ];
    let mut table = Table::new(extent);
    for (name, measure) in rooms {
        if wanted(name) {
            measure(&mut table);
        }
    }
    println!("{}", ground::machine_in_words());
    if cfg!(debug_assertions) {
        println!(
            "A debug build is several times slower: its ratios say nothing about the program."
        );
    }
    print!("{}", table.markdown());
    if extent == Extent::Full && chosen.is_empty() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/benchmarks.md");
        std::fs::write(path, table.page()).unwrap();
        println!("written to {path}");
    }
}
