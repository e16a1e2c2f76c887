use proptest::prelude::*;

use super::*;

fn result(columns: &[&str], rows: &[&[Option<&str>]]) -> ResultSet {
    ResultSet {
        columns: columns.iter().map(|&name| name.to_owned()).collect(),
        rows: rows
            .iter()
            .map(|row| row.iter().map(|value| value.map(str::to_owned)).collect())
            .collect(),
        total: rows.len() as u64,
    }
}

fn make_line_result(lines: &[&str]) -> ResultSet {
    let rows: Vec<[Option<&str>; 1]> = lines.iter().map(|&line| [Some(line)]).collect();
    let rows: Vec<&[Option<&str>]> = rows.iter().map(|row| row.as_slice()).collect();
    result(&["line"], &rows)
}

fn told(result: &ResultSet) -> Vec<(String, Verdict, String)> {
    let checks = read_checks(result).expect("a set of checks");
    checks
        .into_iter()
        .map(|c| (c.name, c.verdict, c.detail))
        .collect()
}

fn one(name: &str, verdict: Verdict, detail: &str) -> (String, Verdict, String) {
    (name.to_owned(), verdict, detail.to_owned())
}

#[test]
fn a_column_of_verdicts_makes_checks_whatever_it_is_called() {
    let set = result(
        &["x", "what", "more"],
        &[
            &[Some("pass"), Some("a"), Some("d")],
            &[Some("Warn"), Some("b"), None],
        ],
    );
    assert_eq!(
        told(&set),
        [one("a", Verdict::Pass, "d"), one("b", Verdict::Warn, "")]
    );
}

#[test]
fn in_a_named_column_every_other_verdict_fails() {
    let set = result(
        &["check", "Status", "expected", "found"],
        &[
            &[Some("a"), Some("PASS"), Some("1"), Some("1")],
            &[Some("a"), Some("PASS"), Some("1"), Some("1")],
            &[Some("a"), Some("PASS"), Some("1"), Some("1")],
            &[Some("b"), Some("PASSED"), Some("1"), None],
            &[Some("c"), None, Some("1"), Some("2")],
            &[Some("d"), Some(""), None, None],
        ],
    );
    assert_eq!(
        told(&set),
        [
            one("a", Verdict::Pass, "expected: 1, found: 1"),
            one("a", Verdict::Pass, "expected: 1, found: 1"),
            one("a", Verdict::Pass, "expected: 1, found: 1"),
            one(
                "b",
                Verdict::Fail,
                "unrecognised verdict: PASSED, expected: 1, found: NULL"
            ),
            one(
                "c",
                Verdict::Fail,
                "unrecognised verdict: NULL, expected: 1, found: 2"
            ),
            one(
                "d",
                Verdict::Fail,
                "unrecognised verdict: , expected: NULL, found: NULL"
            ),
        ]
    );
}

#[test]
fn what_carries_no_verdict_is_no_set_of_checks() {
    assert_eq!(
        read_checks(&result(&["status"], &[&[Some("active")]])),
        None
    );
    assert_eq!(
        read_checks(&result(&["x"], &[&[Some("PASS")], &[Some("other")]])),
        None
    );
    assert_eq!(
        read_checks(&result(&["x"], &[&[Some("PASS")], &[None]])),
        None
    );
    assert_eq!(read_checks(&result(&["status"], &[])), None);
    assert_eq!(read_checks(&result(&["x"], &[&[Some("ok")]])), None);
    assert_eq!(read_checks(&ResultSet::default()), None);
}

#[test]
fn the_worst_of_two_verdicts_counts() {
    let set = result(&["status", "x"], &[&[Some("PASS"), Some("FAIL")]]);
    assert_eq!(told(&set), [one("row 1", Verdict::Fail, "")]);
}

#[test]
fn a_set_cut_short_fails() {
    let mut set = result(&["status"], &[&[Some("PASS")]]);
    set.total = 3;
    assert_eq!(
        told(&set)[1],
        one("all rows read", Verdict::Fail, "only 1 of 3 rows were read")
    );
}

#[test]
fn the_name_is_found_by_its_column() {
    let set = result(
        &["id", "detail", "test", "status"],
        &[&[Some("7"), Some("d"), Some("t"), Some("PASS")]],
    );
    assert_eq!(told(&set), [one("t", Verdict::Pass, "id: 7, detail: d")]);
    let set = result(
        &["detail", "id", "status"],
        &[&[Some("d"), Some("7"), Some("PASS")]],
    );
    assert_eq!(told(&set), [one("7", Verdict::Pass, "d")]);
}

#[test]
fn pgtap_lines_are_checks() {
    let set = make_line_result(&[
        "1..6",
        "ok 1 - table",
        "not ok 2 - column\n# Failed test 2: \"column\"",
        "not ok 3 - later # TODO soon",
        "ok 4 # SKIP not here",
        "# a diagnostic",
        "ok 5 - issue \\# TODO is no directive",
        "okay",
        "ok 6 - last",
    ]);
    assert_eq!(
        told(&set),
        [
            one("table", Verdict::Pass, ""),
            one("column", Verdict::Fail, "# Failed test 2: \"column\""),
            one("later # TODO soon", Verdict::Warn, ""),
            one("# SKIP not here", Verdict::Warn, ""),
            one("issue \\# TODO is no directive", Verdict::Pass, ""),
            one("row 8", Verdict::Fail, "unrecognised verdict: okay"),
            one("last", Verdict::Pass, ""),
        ]
    );
    let set = make_line_result(&["1..3", "ok 1 - a", "Bail out! no more"]);
    assert_eq!(
        told(&set)[1..],
        [
            one("Bail out!", Verdict::Fail, "no more"),
            one("plan", Verdict::Fail, "3 tests were planned, 1 were run"),
        ]
    );
    assert_eq!(read_checks(&make_line_result(&["1..3"])), None);
    let set = make_line_result(&["# Looks like you planned 5 tests but ran 3"]);
    assert_eq!(told(&set)[0].1, Verdict::Fail);
}

#[test]
fn a_column_by_the_name_of_a_verdict_decides_over_any_other() {
    for (name, value) in [
        ("status", Some("MISSING")),
        ("status", None),
        ("Verdict", Some("no")),
        ("result", Some("ERROR")),
        ("status\u{200b}", Some("MISSING")),
    ] {
        let set = result(&["expected", name], &[&[Some("PASS"), value]]);
        let told = told(&set);
        assert_eq!(told[0].1, Verdict::Fail, "{name} {value:?}: {told:?}");
        let set = result(&[name, "expected"], &[&[value, Some("PASS")]]);
        assert_eq!(read_checks(&set).unwrap()[0].verdict, Verdict::Fail);
    }
    // None of the names overrules another.
    let set = result(&["result", "status"], &[&[Some("ERROR"), Some("PASS")]]);
    assert_eq!(told(&set)[0].1, Verdict::Fail);
}

#[test]
fn what_cannot_be_seen_is_never_part_of_a_pass() {
    for unseen in [
        "\u{feff}",
        "\u{200b}",
        "\u{200d}",
        "\u{a0}",
        "\u{ad}",
        "\u{2060}",
        "\u{3164}",
        "\u{202e}",
        "\u{fe0f}",
        "\u{e0020}",
        "\t",
        "\n",
        "\r",
        "\u{7}",
        "\u{85}",
        "\u{2028}",
    ] {
        for text in [
            format!("PASS{unseen}"),
            format!("{unseen}pass"),
            format!("PA{unseen}SS"),
        ] {
            for name in ["status", "x"] {
                let set = result(&[name], &[&[Some("PASS")], &[Some(&text)]]);
                let told = told(&set);
                assert_eq!(told[1].1, Verdict::Fail, "{text:?} in {name}");
                assert!(told[1].2.contains("cannot be seen"), "{told:?}");
            }
        }
        if matches!(unseen, "\t" | "\r" | "\n") {
            continue;
        }
        for text in [
            format!("{unseen}ok 1 - a"),
            format!("ok{unseen}1 - a"),
            format!("ok {unseen}1 - a"),
            format!("not{unseen} ok 1 - a"),
            format!("{unseen}not ok 1 - a"),
        ] {
            let told = told(&make_line_result(&[&text]));
            assert_eq!(told[0].1, Verdict::Fail, "{text:?}");
        }
        assert_eq!(
            over(&[make_line_result(&[&format!("1..{unseen}3")])])[0].1,
            Verdict::Fail
        );
    }
    // A description is free.
    let set = make_line_result(&["ok 1 - gr\u{f6}\u{df}e\u{a0}"]);
    assert_eq!(told(&set)[0].1, Verdict::Pass);
}

#[test]
fn a_column_that_is_mostly_no_verdict_is_told_to_look_like_data() {
    let rows: &[&[Option<&str>]] = &[&[Some("done")], &[Some("fail")], &[Some("pending")]];
    let told = told(&result(&["status"], rows));
    assert!(told[0].2.contains("looks like data"), "{told:?}");
    assert_eq!(told[0].1, Verdict::Fail);
    assert_eq!(told[1].2, "");
    let rows: &[&[Option<&str>]] = &[&[Some("PASS")], &[Some("fail")], &[Some("pending")]];
    let told = self::told(&result(&["status"], rows));
    assert!(!told[2].2.contains("data"), "{told:?}");
}

/// Reads results one after another, as the session does.
fn over(results: &[ResultSet]) -> Vec<(String, Verdict, String)> {
    let mut plan = TapPlan::default();
    let mut checks = Vec::new();
    for result in results {
        checks.extend(read_checks(result).unwrap_or_default());
        checks.extend(plan.count(result));
    }
    checks.extend(plan.end());
    let told = checks.into_iter().map(|c| (c.name, c.verdict, c.detail));
    told.collect()
}

#[test]
fn the_plan_of_pgtap_holds_over_results_of_their_own() {
    let plan = |name: &str, text: &str| ResultSet {
        columns: vec![name.to_owned()].into(),
        ..make_line_result(&[text])
    };
    let (a, b) = (
        make_line_result(&["ok 1 - a"]),
        make_line_result(&["ok 2 - b"]),
    );
    let short = one("plan", Verdict::Fail, "3 tests were planned, 2 were run");
    let passed = [one("a", Verdict::Pass, ""), one("b", Verdict::Pass, "")];
    let told = over(&[plan("plan", "1..2"), a.clone(), b.clone()]);
    assert_eq!(told, passed);
    let told = over(&[plan("plan", "1..3"), a.clone(), b.clone()]);
    assert_eq!(told[..2], passed);
    assert_eq!(told[2..], std::slice::from_ref(&short)[..]);
    // Not one test of them was run.
    let told = over(&[plan("plan", "1..3")]);
    assert_eq!(
        told,
        [one(
            "plan",
            Verdict::Fail,
            "3 tests were planned, 0 were run"
        )]
    );
    // no_plan(): finish() tells the number at the end.
    let told = over(&[a.clone(), b.clone(), plan("finish", "1..2")]);
    assert_eq!(told, passed);
    let told = over(&[a.clone(), b.clone(), plan("finish", "1..3")]);
    assert_eq!(told[2..], std::slice::from_ref(&short)[..]);
    // A plan ends where the next one begins.
    let told = over(&[
        plan("plan", "1..3"),
        a.clone(),
        b.clone(),
        plan("plan", "1..2"),
        a.clone(),
        b.clone(),
    ]);
    assert_eq!(told[2..], [&[short.clone()][..], &passed[..]].concat());
    // Whatever its column is called, and wherever it stands.
    for name in ["range", "?column?"] {
        let told = over(&[plan(name, "1..3"), a.clone(), b.clone()]);
        assert_eq!(told[2..], std::slice::from_ref(&short)[..]);
        assert_eq!(over(&[plan(name, "1..3")])[0].1, Verdict::Fail);
    }
    let told = over(&[a.clone(), plan("x", "1..1"), b.clone()]);
    assert_eq!(told[2].2, "0 tests were planned, 1 were run");
    assert_eq!(told.len(), 3, "{told:?}");
    // A table may hold such texts.
    assert_eq!(over(&[make_line_result(&["1..3", "4..7", "1..9"])]), []);
    assert_eq!(over(&[plan("plan", "1..0 # SKIP nothing to do")]), []);
    // Two plans in one result do not agree.
    let told = over(&[make_line_result(&["1..1", "ok 1 - a", "1..2"])]);
    assert_eq!(told[1].2, "2 tests were planned, 1 were run");
    // What finish() complains of is no test of its own.
    let told = over(&[
        a,
        b,
        make_line_result(&["1..2", "# Looks like you failed 1 test of 2"]),
    ]);
    assert_eq!(
        told[2..],
        [one(
            "pgTAP",
            Verdict::Fail,
            "Looks like you failed 1 test of 2"
        )]
    );
}

fn value() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(Some("PASS".to_owned())),
        Just(Some("warn".to_owned())),
        Just(Some("Fail".to_owned())),
        Just(Some("not ok 1 - x".to_owned())),
        Just(Some("ok 1 - x".to_owned())),
        Just(Some("ok 1 - x # TODO".to_owned())),
        "[pP][aA][sS]{2}.?|\\PC{0,6}|(not )?ok.{0,8}".prop_map(Some),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The promise of this module.
    #[test]
    fn only_pass_and_ok_pass(
        columns in proptest::collection::vec("status|verdict|result|check|name|x|detail", 0..4),
        rows in proptest::collection::vec(proptest::collection::vec(value(), 0..4), 0..6),
        cut in 0_u64..3,
    ) {
        let total = rows.len() as u64 + cut;
        let columns = columns.into();
        let set = ResultSet { columns, rows, total };
        let Some(checks) = read_checks(&set) else { return Ok(()) };
        for (index, row) in set.rows.iter().enumerate() {
            let texts: Vec<&str> = row.iter().flatten().map(String::as_str).collect();
            let may_pass = texts.iter().any(|text| {
                let text = text.trim_matches(' ');
                text.eq_ignore_ascii_case("pass") || text.trim_start().starts_with("ok")
            });
            let passes = checks.get(index).is_some_and(|check| check.verdict == Verdict::Pass);
            // In TAP, lines without a verdict make no check, so rows and checks differ there.
            let is_tap = set.columns.len() == 1 && columns::deciding(&set).is_empty();
            if !is_tap {
                prop_assert!(!passes || may_pass);
                prop_assert!(checks.len() >= set.rows.len());
            }
        }
        let passes = checks.iter().filter(|check| check.verdict == Verdict::Pass).count();
        let sources = set.rows.iter().filter(|row| row.iter().flatten().any(|text| {
            let text = text.trim();
            text.eq_ignore_ascii_case("pass") || text.starts_with("ok")
        })).count();
        prop_assert!(passes <= sources);
        if cut > 0 {
            prop_assert!(!Tally::of(&checks).passes());
        }
    }
}
