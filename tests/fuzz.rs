//! The reader and real servers, fed with the same bytes: scripts that are made to be read in two
//! ways, on databases whose settings help them. Whatever is in a script, the transaction ends only
//! at the gate, and a session that only looks writes nothing.
//!
//! The ordinary suite runs some hundreds, each time others. The long form:
//!
//! ```text
//! FUZZ_SCRIPTS=100000 FUZZ_SEED=1 cargo test --test fuzz -- --ignored --nocapture
//! ```
//!
//! `STAGEGATE_PG_BIN` names the folder of another server's programs. A failure names the seed and the
//! number of its script; `FUZZ_ONLY` runs that one alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "fuzz/ground.rs"]
mod ground;
#[path = "fuzz/pieces.rs"]
mod pieces;
#[path = "shared/random.rs"]
mod random;
#[path = "fuzz/running.rs"]
mod running;

use std::time::{SystemTime, UNIX_EPOCH};

use running::run;

fn given(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number")),
    )
}

fn seed() -> u64 {
    let seed = given("FUZZ_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos()) ^ (now.as_secs() << 30)
    });
    eprintln!("FUZZ_SEED={seed}");
    seed
}

#[test]
fn hundreds_of_scripts_end_no_transaction_and_write_nothing_where_only_looking_was_meant() {
    let tally = run(seed(), 300, given("FUZZ_ONLY"));
    eprintln!("{tally:?}");
    // A generator whose scripts never get anywhere proves nothing.
    if given("FUZZ_ONLY").is_none() {
        assert!(tally.sent >= 300, "{tally:?}");
        assert!(tally.whole * 10 >= tally.sent, "{tally:?}");
        assert!(tally.read_otherwise * 50 >= tally.sent, "{tally:?}");
    }
}

#[test]
#[ignore = "takes long; FUZZ_SCRIPTS says how many"]
fn very_many_scripts_end_no_transaction_and_write_nothing_where_only_looking_was_meant() {
    let scripts = given("FUZZ_SCRIPTS").unwrap_or(100_000);
    let tally = run(seed(), scripts, given("FUZZ_ONLY"));
    eprintln!("{tally:?}");
}
