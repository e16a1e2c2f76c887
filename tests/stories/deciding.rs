//! The decision: COMMIT and ROLLBACK, and what must never be taken for either.

use crate::stage::{Stage, Walk};
use stagegate::sandbox::demo::Scenario;

#[test]
fn commit_makes_exactly_the_documented_objects() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    eprintln!("{}", terminal.picture());
    terminal.commit();
    eprintln!("{}", terminal.picture());
    terminal.key("q");
    stage.assert_committed(&mut terminal);
}
