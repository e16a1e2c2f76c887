//! Settings are found as the real libpq finds them: the machine's, or the one that STAGEGATE_LIBPQ
//! names. Where there is none, or no C compiler, that is said and nothing is held.
//!
//! The long form: `cargo test --release --test libpq -- --ignored --nocapture`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "shared/aloud.rs"]
mod aloud;
#[path = "shared/child.rs"]
mod child;
#[path = "libpq/dice.rs"]
mod dice;
#[path = "libpq/oracle.rs"]
mod oracle;
#[path = "libpq/setups.rs"]
mod setups;
#[path = "libpq/strings.rs"]
mod strings;

#[test]
fn strings_mean_what_libpq_makes_of_them() {
    strings::compare(5_000, 1);
}

#[test]
fn sources_come_in_libpqs_order() {
    setups::compare(150, 2);
}

#[test]
#[ignore = "the long form"]
fn a_hundred_thousand_strings_mean_what_libpq_makes_of_them() {
    strings::compare(100_000, 3);
}

#[test]
#[ignore = "the long form"]
fn a_thousand_sets_of_sources_come_in_libpqs_order() {
    setups::compare(1_500, 4);
}
