//! How stagegate compares with psql, and how its costs grow: `cargo bench --bench against_psql`.
//!
//! It prints a table and asserts nothing: what is measured is told as the median of interleaved
//! pairs with the least and the most. `-- --short` runs a small form of each row, `-- --full` the
//! long one and writes it into `assets/benchmarks.md`, where the last one stands. Further words choose:
//! `-- starting` one of the rooms below, and `-- starting 'round trip 0 ms'` those of its rows that are
//! compared with something and have one of the words in their names, `-- --pairs=31` with so many pairs each.

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
    let pairs = words.iter().find_map(|word| word.strip_prefix("--pairs="));
    let pairs = pairs.map(|count| count.parse().expect("--pairs=NUMBER"));
    let rooms: [(&str, Measure); 4] = [
        ("reading", reading::measure),
        ("applying", applying::measure),
        ("watching", watching::measure),
        ("starting", starting::measure),
    ];
    let chosen = words.iter().filter(|word| !word.starts_with("--"));
    let (of_rooms, of_rows): (Vec<&String>, Vec<&String>) =
        chosen.partition(|word| rooms.iter().any(|(name, _)| name == word));
    let everything = of_rooms.is_empty() && of_rows.is_empty();
    let mut table = Table::new(extent, pairs, of_rows.into_iter().cloned().collect());
    for (name, measure) in rooms {
        if of_rooms.is_empty() || of_rooms.iter().any(|room| *room == name) {
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
    if extent == Extent::Full && everything {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/benchmarks.md");
        let page = std::fs::read_to_string(path).unwrap();
        std::fs::write(path, table.put_into(&page)).unwrap();
        println!("written to {path}");
    }
}
