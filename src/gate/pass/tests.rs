//! Two passes held against each other.

use super::*;

fn pass(tags: &[&str]) -> Pass {
    let statements = tags.iter().zip(1..).map(|(tag, number)| CameOut {
        number,
        tag: (*tag).into(),
        rows: None,
        checks: Box::default(),
    });
    Pass {
        statements: statements.collect(),
        before: Structure::Known(BTreeMap::new()),
        structure: Structure::Known(BTreeMap::new()),
        ..Pass::of("script")
    }
}

fn allow_statements(numbers: &[usize]) -> Allowance {
    Allowance::Of(numbers.iter().copied().collect())
}

/// What the second is different in.
fn differing(shown: &Pass, now: &Pass, allowance: &Allowance) -> Vec<String> {
    let found = shown.differs(now, allowance).differences;
    found.iter().map(Difference::to_string).collect()
}

fn rows(columns: &[&str], rows: &[&[Option<&str>]]) -> ResultSet {
    let owned = |cell: &Option<&str>| cell.map(str::to_owned);
    ResultSet {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows
            .iter()
            .map(|row| row.iter().map(owned).collect())
            .collect(),
        ..ResultSet::default()
    }
}

#[test]
fn the_numbers_of_one_statement_are_allowed_and_those_of_another_are_not() {
    let (shown, now) = (
        pass(&["UPDATE 5", "DELETE 7"]),
        pass(&["UPDATE 6", "DELETE 8"]),
    );
    let (first, second) = (
        "statement 1: approved UPDATE 5, now UPDATE 6",
        "statement 2: approved DELETE 7, now DELETE 8",
    );
    let told = |allowance: &Allowance| differing(&shown, &now, allowance);
    assert_eq!(told(&Allowance::Nothing), [first, second]);
    assert_eq!(told(&allow_statements(&[1])), [second]);
    assert_eq!(told(&allow_statements(&[2])), [first]);
    assert_eq!(told(&allow_statements(&[1, 2])), [""; 0]);
    assert_eq!(told(&Allowance::Everything), [""; 0]);
}

#[test]
fn what_is_allowed_neither_begins_at_0_nor_becomes_0() {
    for (shown, now) in [("UPDATE 0", "UPDATE 1"), ("UPDATE 1", "UPDATE 0")] {
        let told = differing(&pass(&[shown]), &pass(&[now]), &Allowance::Everything);
        assert_eq!(told.len(), 1, "{shown}, {now}");
    }
}

#[test]
fn only_what_showed_a_number_can_be_allowed() {
    let mut shown = pass(&["UPDATE 0", "CREATE TABLE", "SELECT 3", "DO", "SELECT 1"]);
    shown.statements[4].tag = "CALL".into();
    shown.statements[4].checks = [Check {
        name: "few rows".into(),
        verdict: crate::runbook::check::Verdict::Pass,
        detail: "12 of 40".into(),
    }]
    .into();
    shown.warnings.push(Warned {
        number: Some(4),
        sqlstate: "01000".into(),
        text: "took 17 rows".into(),
    });
    let numbered: Vec<usize> = shown.numbered().map(|one| one.number).collect();
    assert_eq!(numbered, [3, 4, 5]);
    assert!(shown.is_numbered(4) && !shown.is_numbered(1) && !shown.is_numbered(9));
}

#[test]
fn allowing_turns_all_or_one_and_back() {
    let mut allowance = Allowance::Nothing;
    let all = || [1, 4, 6].into_iter();
    allowance.turn_one(4, all());
    assert_eq!(allowance, allow_statements(&[4]));
    allowance.turn_one(4, all());
    assert_eq!(allowance, Allowance::Nothing);
    allowance.turn();
    assert_eq!(allowance, Allowance::Everything);
    allowance.turn_one(4, all());
    assert_eq!(allowance, allow_statements(&[1, 6]));
    allowance.turn();
    assert_eq!(allowance, Allowance::Nothing);
}

#[test]
fn a_warning_of_no_statement_is_covered_by_everything_alone() {
    let warned = |text: &str| {
        let mut pass = pass(&["UPDATE 5"]);
        pass.warnings.push(Warned {
            number: None,
            sqlstate: "01000".into(),
            text: text.into(),
        });
        pass
    };
    let (shown, now) = (warned("12 left"), warned("13 left"));
    assert_eq!(differing(&shown, &now, &allow_statements(&[1])).len(), 2);
    assert_eq!(differing(&shown, &now, &Allowance::Everything), [""; 0]);
}

#[test]
fn what_was_not_kept_is_never_the_same() {
    let said = ServerMessage {
        severity: NOT_KEPT.into(),
        message: "100 more notices were not kept".into(),
        ..ServerMessage::default()
    };
    let mut shown = pass(&["DO"]);
    let now = shown.clone();
    shown.warned(Some(1), &said);
    assert_eq!(differing(&shown, &now, &Allowance::Everything).len(), 1);
    assert_eq!(differing(&now, &shown, &Allowance::Nothing).len(), 1);
    assert_eq!(
        differing(&shown, &shown.clone(), &Allowance::Nothing).len(),
        1
    );
}

#[test]
fn numbers_are_alike_but_0() {
    for (text, told) in [
        ("12 of 40 rows", "# of # rows"),
        ("0 of 40", "0 of #"),
        ("00", "0"),
        ("0.00 MB", "0 MB"),
        ("0.05 MB", "# MB"),
        ("10.0 and 10.", "# and #."),
        ("-3", "-#"),
        ("1.2.3", "#.#"),
        ("v2é7", "v#é#"),
        ("", ""),
    ] {
        assert_eq!(alike(text), told, "{text}");
    }
}

#[test]
fn names_and_rows_do_not_run_into_each_other() {
    let wide = rows(&["a", "b"], &[]);
    let narrow = rows(&["a"], &[&[Some("b")]]);
    let null = rows(&["a"], &[&[None]]);
    let empty = rows(&["a"], &[&[Some("")]]);
    let all = [wide, narrow, null, empty].map(|rows| digests_of(&rows));
    for (nth, one) in all.iter().enumerate() {
        for other in &all[nth + 1..] {
            assert_ne!(one.0, other.0);
            assert_ne!(one.1, other.1);
        }
    }
}
