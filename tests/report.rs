//! `stagegate report`: journals of real runs on a real server, a fixed one as snapshots, and text
//! that would like to be markup.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use stagegate::facts::{Lock, OutcomeWord, Said, ServerMessage, Standing, StatementEnd};
use stagegate::journal::chain::Chain;
use stagegate::journal::entry::*;
use stagegate::journal::report::{RunReport, html, json, markdown};
use stagegate::runbook::check::Verdict;
use stagegate::sandbox::demo::{Demo, DemoOptions, Scenario};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

#[path = "shared/child.rs"]
mod child;

use child::{Finish, until};

fn stagegate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stagegate"))
        .args(arguments)
        .stdin(Stdio::null())
        .finish("stagegate")
}

fn demo(scenario: Scenario, patience: Duration) -> Demo {
    let options = DemoOptions {
        blocker_patience: patience,
        ..DemoOptions::for_tests(scenario)
    };
    options.prepare(|_| {}).unwrap()
}

/// A rehearsal of the built-in runbook on `demo`.
fn rehearsal(demo: &Demo, journal: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagegate"));
    command
        .args([
            "run",
            "--rehearse",
            "-w",
            "-h",
            demo.host().to_str().unwrap(),
        ])
        .args(["-p", &demo.port().to_string(), "-U", demo.role()])
        .args(["-d", demo.database(), "--journal"])
        .arg(journal)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn reported(journal: &Path, more: &[&str]) -> (String, Option<i32>) {
    let mut arguments = vec!["report", journal.to_str().unwrap()];
    arguments.extend(more);
    let output = stagegate(&arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    (text, output.status.code())
}

fn place(text: &str, what: &str) -> usize {
    text.find(what)
        .unwrap_or_else(|| panic!("{what} is not in:\n{text}"))
}

#[test]
fn a_rehearsal_is_reported_whole() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("run.jsonl");
    let demo = demo(Scenario::Clean, Duration::ZERO);
    let status = rehearsal(&demo, &journal, &[]).finish("a rehearsal").status;
    assert_eq!(status.code(), Some(0));

    let (text, code) = reported(&journal, &[]);
    assert_eq!(code, Some(0));
    assert!(place(&text, "**ROLLED BACK.**") < place(&text, "## Target"));
    for told in [
        "pg_xact_status says aborted",
        "8 PASS, 0 WARN, 0 FAIL",
        "| Database | wiser_ops |",
        "Nobody signed anything",
        "### A backup of the production database exists",
        // Evidence as it was found, with its lines and not only its summary.
        "- expected_state.sql: 16 of 16 PASS\n- PASS",
        "Migration 012",
        "ALTER TABLE service_ops.packet_decision",
        "ACCESS EXCLUSIVE service_ops.packet_decision",
        "reads and writes wait",
        "There is nothing to undo",
        "the chain of hashes holds",
    ] {
        place(&text, told);
    }

    let page = folder.path().join("run.html");
    let (_, code) = reported(&journal, &["-o", page.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    let page = std::fs::read_to_string(page).unwrap();
    for told in ["<!DOCTYPE html>", "<svg", "ROLLED BACK", "</html>"] {
        place(&page, told);
    }
    only_our_tags(&page);

    // Neither an earlier report nor the journal itself is written over.
    let before = std::fs::read(&journal).unwrap();
    let (_, code) = reported(&journal, &["-o", journal.to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert_eq!(std::fs::read(&journal).unwrap(), before);
    let (told, code) = reported(&journal, &["--verify"]);
    assert_eq!(code, Some(0));
    assert!(told.contains("every one as it was written"), "{told}");

    // One letter of one line: everything before it is told, and that it is not to be believed.
    let text = String::from_utf8(before).unwrap();
    let edited = text.replacen("\"tag\":\"DO\"", "\"tag\":\"NO\"", 1);
    assert_ne!(text, edited);
    std::fs::write(&journal, edited).unwrap();
    let (text, code) = reported(&journal, &[]);
    assert_eq!(code, Some(4));
    for told in [
        "**UNKNOWN.**",
        "NOT AS IT WAS WRITTEN",
        "it was edited",
        "stagegate outcome",
    ] {
        place(&text, told);
    }
    assert!(!text.contains("**ROLLED BACK.**"), "{text}");
}

#[test]
fn a_check_that_fails_stands_first() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("run.jsonl");
    let demo = demo(Scenario::FailingCheck, Duration::ZERO);
    let status = rehearsal(&demo, &journal, &[]).finish("a rehearsal").status;
    assert_eq!(status.code(), Some(4));
    let (text, _) = reported(&journal, &[]);
    let checks = &text[place(&text, "## Verification")..];
    assert!(place(checks, "**FAIL**") < place(checks, "| PASS |"));
    place(&text, "at least one check says FAIL");
}

#[test]
fn every_transaction_of_a_run_with_retries_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("run.jsonl");
    let demo = demo(Scenario::Blocked, Duration::from_secs(600));
    let more = ["--lock-timeout", "300ms", "--lock-attempts", "2"];
    let status = rehearsal(&demo, &journal, &more)
        .finish("a rehearsal")
        .status;
    assert_eq!(status.code(), Some(3));
    let (text, _) = reported(&journal, &[]);
    for told in [
        "(1 of 2)",
        "It was tried again.",
        "(2 of 2)",
        "**FAILED: ERROR: canceling statement due to lock timeout (55P03)**",
        ", the last of 2 |",
        "because a lock was not granted in time",
    ] {
        place(&text, told);
    }
}

#[test]
fn a_run_that_was_killed_is_not_said_to_be_anything() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("run.jsonl");
    let demo = demo(Scenario::Blocked, Duration::from_secs(600));
    let mut run = rehearsal(&demo, &journal, &["--lock-timeout", "10min"])
        .spawn()
        .unwrap();
    // It waits for the blocker, so the transaction stays open until it is killed.
    until("the run notes the lock that it got", || {
        let text = std::fs::read_to_string(&journal).unwrap_or_default();
        assert!(run.try_wait().unwrap().is_none(), "it ended by itself");
        let noted = text.contains("\"locks\":[\"ACCESS EXCLUSIVE") && text.ends_with('\n');
        noted.then_some(())
    });
    run.kill().unwrap();
    run.finish("a run that was killed");
    let (text, code) = reported(&journal, &[]);
    assert_eq!(code, Some(0));
    for told in [
        "**NOT RECORDED.**",
        "Up to there COMMIT was not sent",
        &format!("stagegate outcome {}", journal.display()),
        "its end is not recorded",
        "the journal does not have the end of the run",
        "Undo nothing before the server has said",
    ] {
        place(&text, told);
    }
}

#[test]
fn what_is_no_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["", "hello\n", "{\"n\":1}\n"] {
        let path = folder.path().join("other");
        std::fs::write(&path, text).unwrap();
        let (told, code) = reported(&path, &[]);
        assert_eq!((told.as_str(), code), ("", Some(2)), "{text:?}");
    }
    let missing: PathBuf = folder.path().join("missing");
    assert_eq!(reported(&missing, &[]).1, Some(2));
}

/// A journal of these entries, one every 250 ms.
fn written(entries: &[Entry]) -> String {
    let mut chain = Chain::default();
    let mut at: jiff::Timestamp = "2026-03-07T21:00:00Z".parse().unwrap();
    let mut text = String::new();
    for entry in entries {
        text.push_str(&chain.line(entry, at));
        at += jiff::SignedDuration::from_millis(250);
    }
    text
}

fn phase(phase: &str, why: Option<&str>) -> Entry {
    Entry::phase(PhaseWord::from(phase.to_owned()), why.map(str::to_owned))
}

fn checked(stage: CheckStage, name: &str, verdict: Verdict, detail: &str) -> Entry {
    Entry::Checked {
        stage,
        name: name.into(),
        verdict,
        detail: detail.into(),
        structure: None,
    }
}

fn stands_at(number: usize, kind: &str, relation: &str) -> StatementPlace {
    StatementPlace {
        number,
        line: number * 10,
        section: Some("Migration 011: integration_inbox".into()),
        kind: kind.into(),
        relation: Some(relation.into()),
        ..StatementPlace::default()
    }
}

fn statement(number: usize, kind: &str, relation: &str, locks: &[&str]) -> Entry {
    Entry::Statement(Box::new(StatementEnded {
        place: StatementPlace {
            about: (kind == "CREATE INDEX").then(|| format!("uq_{number} on {relation}")),
            ..stands_at(number, kind, relation)
        },
        end: StatementEnd {
            duration: 200,
            tag: Some(kind.into()),
            locks: locks.iter().map(|lock| Lock::read(lock).unwrap()).collect(),
            ..StatementEnd::default()
        },
    }))
}

fn target(host: &str) -> Entry {
    Entry::Connected {
        target: serde_json::to_value(stagegate::facts::Target {
            host: host.into(),
            address: Some("10.0.0.7".into()),
            port: 5432,
            database: "wiser_ops".into(),
            role: "wiser_owner".into(),
            session_role: Some("dba_kim".into()),
            server_version: "15.18".into(),
            server_version_num: 150_018,
            system_identifier: Some("7711017332579952361".into()),
            timeline: Some(3),
            tls: Some("TLSv1.3 TLS_AES_256_GCM_SHA384".into()),
            backend_pid: 4711,
            protocol_pid: 4711,
            standbys: 2,
            ..Default::default()
        })
        .unwrap(),
    }
}

fn opened() -> Opened {
    Opened {
        version: "0.1.0".into(),
        mode: "run".into(),
        runbook: "Stage 1 UTN workflow".into(),
        script: "migrate.sql".into(),
        script_sha256: "4fe4d9a7".repeat(8),
        os_user: Some("kim".into()),
        ssh_connection: Some("10.1.2.3 50122 10.0.0.5 22".into()),
        sudo_user: Some("kim.admin".into()),
        machine: Some("jump1".into()),
        local_time: Some("2026-03-07 22:00:00 +01:00 (Europe/Berlin)".into()),
        window: Some("22:00 to 23:30 in Berlin".into()),
        ticket: Some("CHG-4711".into()),
        hold_limit: 300_000,
        checklist: vec![
            Item {
                id: "backup".into(),
                title: "A backup exists".into(),
            },
            Item {
                id: "review".into(),
                title: "The script was read".into(),
            },
        ],
        rollbacks: vec![File {
            name: "rollback/011.sql".into(),
            sha256: "ab".repeat(32),
        }],
        folder: Some("/srv/run books/utn".into()),
        ..Opened::default()
    }
}

fn signed(item: &str, title: &str, note: Option<&str>, evidence: &[&str]) -> Entry {
    Entry::Signed {
        item: item.into(),
        title: title.into(),
        note: note.map(str::to_owned),
        evidence: evidence.iter().map(|&line| line.to_owned()).collect(),
    }
}

fn begun(xid: &str) -> Entry {
    Entry::Begun {
        xid: xid.into(),
        added: vec!["BEGIN".into(), "SET LOCAL lock_timeout = '3000ms'".into()],
    }
}

/// A run that was tried twice and committed.
fn committed() -> Vec<Entry> {
    let inbox = "service_ops.integration_inbox";
    let failed = Entry::Statement(Box::new(StatementEnded {
        place: stands_at(2, "ALTER TABLE", inbox),
        end: StatementEnd {
            duration: 200,
            waited: Some(150),
            error: Some(Box::new(ServerMessage {
                severity: "ERROR".into(),
                sqlstate: Some("55P03".into()),
                message: "canceling statement due to lock timeout".into(),
                ..ServerMessage::default()
            })),
            ..StatementEnd::default()
        },
    }));
    vec![
        Entry::Opened(Box::new(opened())),
        target("db1"),
        phase("checklist", None),
        Entry::Evidence {
            item: "backup".into(),
            standing: Standing::Holds,
            summary: "a reference is typed".into(),
            lines: Vec::new(),
            rehearsal: None,
        },
        Entry::Evidence {
            item: "review".into(),
            standing: Standing::Warns,
            summary: "migrate.sql: 2 statements, 1 lint finding".into(),
            lines: vec!["lint, line 20: adding a unique index".into()],
            rehearsal: None,
        },
        Entry::Evidence {
            item: "rollback".into(),
            standing: Standing::Holds,
            summary: "rehearsed on 2026-01-01 09:00 UTC against db1:5432/wiser_ops (clone)".into(),
            lines: Vec::new(),
            rehearsal: Some("/home/kim/.local/state/stagegate/20260101T085900Z-7.jsonl".into()),
        },
        signed("backup", "A backup exists", Some("vault/07"), &[]),
        Entry::Withdrawn {
            item: "backup".into(),
        },
        signed(
            "backup",
            "A backup exists",
            Some("vault/2026-03-07.dump"),
            &["a reference is typed"],
        ),
        signed(
            "review",
            "The script was read",
            None,
            &[
                "migrate.sql: 2 statements, 1 lint finding",
                "lint, line 20: adding a unique index",
            ],
        ),
        phase("beginning", None),
        begun("770"),
        phase("applying", None),
        failed,
        phase("rolling back", Some("a lock was not granted in time")),
        Entry::intent(Decision::RollBack, Some("770".into())),
        phase(
            "waiting for the next attempt",
            Some("the server answered ROLLBACK, and pg_xact_status says aborted"),
        ),
        phase("beginning", None),
        begun("771"),
        phase("applying", None),
        statement(
            2,
            "ALTER TABLE",
            inbox,
            &["ACCESS EXCLUSIVE service_ops.integration_inbox"],
        ),
        Entry::Said(Said {
            number: Some(3),
            message: ServerMessage {
                severity: "NOTICE".into(),
                sqlstate: Some("00000".into()),
                message: "relation \"x\" exists, skipping".into(),
                ..ServerMessage::default()
            },
        }),
        statement(
            3,
            "CREATE INDEX",
            "service_ops.packet_decision",
            &["SHARE service_ops.packet_decision"],
        ),
        checked(CheckStage::Verification, "columns", Verdict::Pass, "21 of 21"),
        checked(CheckStage::Verification, "rows", Verdict::Warn, "3 without a type"),
        phase("verifying", None),
        phase("deciding", None),
        Entry::Intent {
            decision: Decision::Commit,
            xid: Some("771".into()),
            reason: None,
            second_signer: Some("sam".into()),
            approved: None,
        },
        phase("committing", None),
        Entry::Waited {
            sessions: 7,
            looks: 9,
            more: false,
            milliseconds: 2_100,
            who: vec![
                "pid 4242 wiser_app (packet-api), 10.1.2.3, active, on service_ops.packet_decision, \
                 for 2 s"
                    .into(),
            ],
        },
        Entry::Outcome {
            outcome: OutcomeWord::Committed,
            why: None,
            proof: "the server answered COMMIT, and pg_xact_status says committed".into(),
            rehearsed: false,
            tag_contradicted: false,
        },
        phase("post-verifying", None),
        checked(CheckStage::PostVerification, "columns are there", Verdict::Pass, ""),
        phase("ended", None),
        Entry::Left { code: 0 },
    ]
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn a_committed_run_reads_as_it_should() {
    let report = RunReport::of(&written(&committed()), "/var/log/run 1.jsonl").unwrap();
    assert!(report.broken.is_none());
    snapshot("report_markdown", &markdown::render(&report));
    snapshot("report_html", &html::render(&report));
    let told: serde_json::Value = serde_json::from_str(&json::render(&report)).unwrap();
    assert_eq!(told["outcome"]["word"], "COMMITTED");
    assert_eq!(told["journal_as_written"], true);
    let sections = told["sections"].as_array().unwrap();
    let checklist = sections.iter().find(|s| s["title"] == "Checklist").unwrap();
    let table = &checklist["content"][0]["table"];
    assert_eq!(table["head"][0], "item");
    assert_eq!(table["rows"][0][0], "A backup exists");
}

/// That nobody waited is known only where somebody looked.
#[test]
fn it_is_told_how_it_is_known_that_nobody_waited() {
    let told = |looks: Option<usize>| {
        let entries = committed().into_iter().filter_map(|entry| match entry {
            Entry::Waited { .. } => looks.map(|looks| Entry::Waited {
                sessions: 0,
                looks,
                more: false,
                milliseconds: 0,
                who: Vec::new(),
            }),
            entry => Some(entry),
        });
        let text = written(&entries.collect::<Vec<_>>());
        let report = RunReport::of(&text, "run.jsonl").unwrap();
        let text = markdown::render(&report);
        let row = &text[place(&text, "| Waited for it | ")..];
        row.lines().next().unwrap().to_owned()
    };
    assert_eq!(
        told(Some(9)),
        "| Waited for it | nobody, in 9 looks while it was open |"
    );
    assert_eq!(
        told(Some(0)),
        "| Waited for it | not known: nobody looked while it was open |"
    );
    assert_eq!(told(None), "| Waited for it | not recorded |");
}

#[test]
fn a_journal_cut_at_any_line_never_claims_what_is_not_in_it() {
    let text = written(&committed());
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let at = |what: &str| lines.iter().position(|line| line.contains(what)).unwrap();
    let (intent, outcome) = (at("\"COMMIT\""), at("\"what\":\"outcome\""));
    for length in 1..=lines.len() {
        let report = RunReport::of(&lines[..length].concat(), "run.jsonl").unwrap();
        let written = markdown::render(&report);
        html::render(&report);
        let word = match length - 1 {
            n if n >= outcome => "COMMITTED",
            n if n >= intent => "UNKNOWN",
            _ => "NOT RECORDED",
        };
        assert!(
            written.contains(&format!("> **{word}.**")),
            "{length}: {word} in\n{written}"
        );
        // Half a line at the end, as of a program that died while it wrote.
        let cut = text.split_inclusive('\n').take(length).collect::<String>() + "{\"n\":";
        let report = RunReport::of(&cut, "run.jsonl").unwrap();
        let written = markdown::render(&report);
        let word = if word == "COMMITTED" { word } else { "UNKNOWN" };
        assert!(
            written.contains(&format!("> **{word}.**")),
            "{length}: {word} in\n{written}"
        );
        assert!(written.contains("it was cut in the middle"), "{written}");
    }
}

#[test]
fn a_committed_run_whose_post_verification_fails_is_not_said_to_be_well() {
    let mut entries = committed();
    let at = entries.len() - 2;
    entries.insert(
        at,
        checked(CheckStage::PostVerification, "index", Verdict::Fail, "gone"),
    );
    let report = RunReport::of(&written(&entries), "run.jsonl").unwrap();
    let text = markdown::render(&report);
    place(&text, "> **COMMITTED.**");
    place(&text, "But the post-verification says FAIL");
    assert!(html::render(&report).contains("class=\"banner doubtful\""));
}

/// Text that would like to be markup, to move a cursor and to change what is read.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\" onload='x' | a | `b` ```\n\n# h\n\
    [l](javascript:1) ![i](https://e.x/) <!-- &lt; \u{1b}[2J\u{1b}]0;t\u{7} \u{202e}DETTIMMOC\u{2066} \
    \\| **bold** __b__ ~~s~~ $x$ </text></svg></pre></title></style>";

/// Every text of `entries` made hostile, by way of their JSON.
fn hostile(entries: &[Entry]) -> Vec<Entry> {
    fn spoil(value: &mut serde_json::Value, keep: bool) {
        use serde_json::Value;
        match value {
            Value::String(text) if !keep => *text = format!("{text} {HOSTILE}"),
            Value::Array(values) => values.iter_mut().for_each(|value| spoil(value, false)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    // What the reader of the format itself goes by stays.
                    let keep = ["what", "decision", "phase", "standing", "outcome", "stage"]
                        .contains(&name.as_str());
                    spoil(value, keep);
                }
            }
            _ => {}
        }
    }
    entries
        .iter()
        .map(|entry| {
            let mut value = serde_json::to_value(entry).unwrap();
            spoil(&mut value, false);
            serde_json::from_value(value).unwrap()
        })
        .collect()
}

/// Fails on any tag that the report does not itself write.
fn only_our_tags(page: &str) {
    let body = &page[page.find("</style>").unwrap()..];
    for piece in body.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap();
        let name = tag
            .trim_start_matches('/')
            .split_whitespace()
            .next()
            .unwrap();
        let known = [
            "style", "head", "body", "html", "h1", "h2", "h3", "p", "div", "strong", "span", "ul",
            "li", "pre", "table", "thead", "tbody", "tr", "th", "td", "svg", "text", "rect",
            "rect/",
        ];
        assert!(known.contains(&name), "<{tag}>");
        assert!(!tag.contains(" on"), "<{tag}>");
        assert!(!tag.contains("src"), "<{tag}>");
    }
}

/// Fails on a character that controls or misleads.
fn nothing_raw(text: &str) {
    for c in text.chars() {
        assert!(c == '\n' || !c.is_control(), "{c:?}");
        assert!(!('\u{202a}'..='\u{202e}').contains(&c), "{c:?}");
        assert!(!('\u{2066}'..='\u{2069}').contains(&c), "{c:?}");
    }
}

#[test]
fn hostile_text_stays_text() {
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
    let clean = RunReport::of(&written(&committed()), "run.jsonl").unwrap();
    let report = RunReport::of(&written(&hostile(&committed())), HOSTILE).unwrap();

    let page = html::render(&report);
    only_our_tags(&page);
    nothing_raw(&page);
    // As many tags as the same report has without hostile text.
    let tags = |page: &str| page.matches('<').count();
    assert_eq!(tags(&page), tags(&html::render(&clean)));

    nothing_raw(&json::render(&report));
    let text = markdown::render(&report);
    nothing_raw(&text);
    // What a reader of Markdown makes of it: the same structure, cell for cell. Stress aside, which
    // follows a severity and a verdict, and a hostile verdict is a FAIL.
    let structure = |text: &str| -> Vec<String> {
        let options = Options::all().difference(Options::ENABLE_SMART_PUNCTUATION);
        Parser::new_ext(text, options)
            .filter_map(|event| match event {
                Event::Text(_) => None,
                Event::Start(Tag::Strong) | Event::End(TagEnd::Strong) => None,
                Event::Start(Tag::CodeBlock(_)) => Some("code".to_owned()),
                other => Some(format!("{other:?}")),
            })
            .collect()
    };
    let clean = markdown::render(&clean);
    assert_eq!(structure(&text), structure(&clean));
}
