//! A runbook, a server's answers, and a walk that leads the real machine to each phase.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::text::Span;
use stagegate::account::Account;
use stagegate::facts::{
    After, Evidence, Inquiry, Lock, Looked, Millis, Observation, OtherSession, Progress, Rows,
    ServerMessage, Sight, Standing, StatementReport, Target, XactStatus,
};
use stagegate::gate::act::Command;
use stagegate::gate::event::*;
use stagegate::gate::pass::{Pass, Structure};
use stagegate::gate::phase::Phase;
use stagegate::gate::plan::{self, Mode, Plan, Unheld};
use stagegate::gate::{Effect, Event, Machine};
use stagegate::runbook::check::{Check, ResultSet, Verdict};
use stagegate::runbook::impact::Promise;
use stagegate::runbook::lock::LockMode;
use stagegate::runbook::objects::Sort;
use stagegate::runbook::script::*;
use stagegate::runbook::{ChecklistItem, ItemKind, Runbook, RunbookOrigin};
use stagegate::tui::{Appearance, Glyphs, Palette, Screen};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

pub const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (60, 15)];

const INBOX: &str = "service_ops.integration_inbox";
const PACKET: &str = "service_ops.packet_decision";
const RECEIVE: &str = "integration.integration_receive_serviceops";

/// Section, kind, relation, text; the comment above it is part of the file, not of the text.
const STATEMENTS: &[(usize, &str, &str, &str)] = &[
    (0, "BEGIN", "", "BEGIN"),
    (
        1,
        "ALTER TABLE",
        INBOX,
        "ALTER TABLE service_ops.integration_inbox\n    ADD COLUMN IF NOT EXISTS message_type_id integer DEFAULT 1",
    ),
    (
        1,
        "ALTER TABLE",
        INBOX,
        "ALTER TABLE service_ops.integration_inbox\n    DROP CONSTRAINT IF EXISTS uq_integration_inbox_decision_message",
    ),
    (
        1,
        "CREATE INDEX",
        INBOX,
        "CREATE UNIQUE INDEX IF NOT EXISTS uq_integration_inbox_message_id\n    ON service_ops.integration_inbox (message_id)",
    ),
    (
        1,
        "CREATE INDEX",
        INBOX,
        "CREATE INDEX IF NOT EXISTS idx_integration_inbox_message_type_id\n    ON service_ops.integration_inbox (message_type_id)",
    ),
    (
        2,
        "ALTER TABLE",
        PACKET,
        "ALTER TABLE service_ops.packet_decision\n    ADD COLUMN IF NOT EXISTS decision_subtype text,\n    ADD COLUMN IF NOT EXISTS decision_outcome text,\n    ADD COLUMN IF NOT EXISTS utn text,\n    ADD COLUMN IF NOT EXISTS letter_status text",
    ),
    (
        2,
        "CREATE INDEX",
        PACKET,
        "CREATE INDEX IF NOT EXISTS idx_packet_decision_utn_status\n    ON service_ops.packet_decision (utn_status) WHERE utn_status IS NOT NULL",
    ),
    (
        2,
        "CREATE INDEX",
        PACKET,
        "CREATE INDEX IF NOT EXISTS idx_packet_decision_letter_status\n    ON service_ops.packet_decision (letter_status) WHERE letter_status IS NOT NULL",
    ),
    (
        3,
        "ALTER TABLE",
        RECEIVE,
        "ALTER TABLE integration.integration_receive_serviceops\n    ADD COLUMN IF NOT EXISTS correlation_id uuid,\n    ADD COLUMN IF NOT EXISTS attempt_count integer DEFAULT 1",
    ),
    (
        3,
        "CREATE INDEX",
        RECEIVE,
        "CREATE INDEX IF NOT EXISTS idx_irs_correlation_id\n    ON integration.integration_receive_serviceops (correlation_id)",
    ),
    (
        3,
        "CREATE INDEX",
        RECEIVE,
        "CREATE INDEX IF NOT EXISTS idx_irs_decision_attempt\n    ON integration.integration_receive_serviceops (decision_tracking_id, attempt_count)",
    ),
    (
        4,
        "SELECT",
        "",
        "SELECT 'checks of 011' AS \"check\", 'PASS' AS status, '' AS detail",
    ),
    (
        4,
        "SELECT",
        "",
        "SELECT 'checks of 012 and 013' AS \"check\", 'PASS' AS status, '' AS detail",
    ),
];

const SECTIONS: [&str; 5] = [
    "Stage 1 UTN workflow",
    "Migration 011: service_ops.integration_inbox",
    "Migration 012: service_ops.packet_decision",
    "Migration 013: integration.integration_receive_serviceops",
    "Verification",
];

pub const CHECKS: [(&str, &str); 8] = [
    (
        "inbox: message_type_id column and back-fill",
        "integer, 50,000 rows, none without a type",
    ),
    (
        "inbox: unique index on message_id",
        "uq_integration_inbox_message_id, unique and valid",
    ),
    (
        "inbox: old constraint gone",
        "uq_integration_inbox_decision_message is not there",
    ),
    (
        "inbox: index on message_type_id",
        "idx_integration_inbox_message_type_id, valid",
    ),
    (
        "packet_decision: 21 columns",
        "all present, each of its type",
    ),
    ("packet_decision: 5 indexes", "all present and valid"),
    (
        "receive_serviceops: 5 columns and foreign key",
        "all present, fk_irs_resend_of_response_id validated",
    ),
    ("receive_serviceops: 4 indexes", "all present and valid"),
];

/// As the reader of scripts finds it.
fn subject_of(sql: &str) -> Option<Box<str>> {
    Script::read("s.sql", None, sql.as_bytes())
        .statements
        .remove(0)
        .subject()
        .map(Box::from)
}

fn script(name: &str, title: &str, statements: &[(usize, &str, &str, &str)]) -> Script {
    let mut text = format!(
        "-- {title}\n-- The reason for each choice stands in a line above it.\n\n\\set ON_ERROR_STOP on\n"
    );
    let mut out = Vec::new();
    let mut section = usize::MAX;
    let mut number = 0;
    for (at, kind, relation, sql) in statements {
        if *at != section {
            section = *at;
            text.push_str(&format!("\n-- {}\n", SECTIONS[section]));
        }
        let fate = match *kind {
            "BEGIN" => Fate::TakenOver,
            "COMMIT" => Fate::Held,
            _ => Fate::Sent,
        };
        number += usize::from(!fate.is_the_gates());
        let start = text.len();
        let line = text.matches('\n').count() + 1;
        text.push_str(sql);
        let span = start..text.len();
        text.push_str(";\n");
        out.push(Statement {
            number,
            section: Some(section),
            source: 0,
            line,
            column: 1,
            span,
            kind: (*kind).into(),
            relation: (!relation.is_empty()).then(|| (*relation).into()).into(),
            text: (*sql).into(),
            is_data: false,
            goes_back: false,
            seldom: SeldomParts {
                subject: subject_of(sql),
                ..SeldomParts::default()
            }
            .if_any(),
            fate,
        });
    }
    Script {
        name: name.into(),
        sources: vec![Source {
            name: name.into(),
            path: None,
            ordinary: false,
            text: text.into(),
            encodings: Vec::new(),
            remarks: Vec::new(),
            sha256: "5f2c".repeat(16),
        }],
        sections: SECTIONS
            .iter()
            .map(|title| Section {
                title: (*title).into(),
            })
            .collect(),
        statements: out,
        echoes: Vec::new(),
        refusals: Vec::new(),
        variables: Vec::new(),
        data: Vec::new(),
        findings: Vec::new().into(),
        objects: Default::default(),
    }
}

pub fn runbook() -> Runbook {
    let mut main = script(
        "STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql",
        "Stage 1 UTN workflow: migrations 011, 012, 013",
        STATEMENTS,
    );
    main.echoes.push(Echo {
        behind: 11,
        text: "Verification: eight checks, all should say PASS".into(),
    });
    let finding = Finding {
        source: 0,
        line: main.statements[3].line,
        statement: Some(3),
        rule: "require-concurrent-index-creation".into(),
        message:
            "During normal index creation, table updates are blocked, but reads are still allowed."
                .into(),
        help: Some("Use CONCURRENTLY outside a transaction.".into()),
    };
    main.findings = vec![finding].into();
    let rollback = |name: &str, at: usize, table: &'static str| {
        let sql: &'static [(usize, &str, &str, &str)] = match at {
            3 => &[
                (3, "BEGIN", "", "BEGIN"),
                (
                    3,
                    "DROP INDEX",
                    "",
                    "DROP INDEX IF EXISTS integration.idx_irs_correlation_id",
                ),
                (3, "COMMIT", "", "COMMIT"),
            ],
            2 => &[(
                2,
                "DROP INDEX",
                "",
                "DROP INDEX IF EXISTS service_ops.idx_packet_decision_utn_status",
            )],
            _ => &[(
                1,
                "DROP INDEX",
                "",
                "DROP INDEX IF EXISTS service_ops.uq_integration_inbox_message_id",
            )],
        };
        script(name, &format!("Rolls back {table}"), sql)
    };
    Runbook {
        expected_database: Some("wiser_ops".into()),
        items: vec![
            ChecklistItem::new("backup", "Backup production database", ItemKind::Backup),
            ChecklistItem::new("review", "Review migration script", ItemKind::Review),
            ChecklistItem::new(
                "connection",
                "Verify database connection",
                ItemKind::Connection,
            ),
            ChecklistItem::new(
                "structure",
                "Check current table structures match expected state",
                ItemKind::Structure,
            ),
            ChecklistItem::new("rollback", "Plan rollback procedure", ItemKind::Rollback),
        ],
        post_verification: Some(script("post_migration_verification.sql", "after", &[])),
        rollbacks: vec![
            rollback(
                "rollback/013_integration_receive_serviceops.sql",
                3,
                RECEIVE,
            ),
            rollback("rollback/012_packet_decision.sql", 2, PACKET),
            rollback("rollback/011_integration_inbox.sql", 1, INBOX),
        ],
        promises: vec![
            Promise {
                section: "011".into(),
                adds: vec![(Sort::Index, 2)],
                drops: None,
            },
            Promise {
                section: "012".into(),
                adds: vec![(Sort::Index, 5)],
                drops: Some(0),
            },
        ],
        ..Runbook::bare("Stage 1 UTN workflow", RunbookOrigin::BuiltIn, main)
    }
}

pub fn target() -> Target {
    Target {
        host: "db1.prod.example".into(),
        address: Some("10.0.4.17".into()),
        port: 5432,
        database: "wiser_ops".into(),
        role: "migrator".into(),
        server_version: "15.18 (Debian 15.18-1.pgdg12+1)".into(),
        server_version_num: 150018,
        backend_pid: 4100,
        protocol_pid: 4100,
        tls: Some("TLSv1.3, TLS_AES_256_GCM_SHA384".into()),
        ..Target::default()
    }
}

fn evidence(index: usize) -> Evidence {
    let (standing, summary, lines): (Standing, &str, &[&str]) = match index {
        0 => (
            Standing::Holds,
            "a reference is typed when it is signed",
            &[
                "The program does not look for the backup itself: say where it is, so that others can.",
            ],
        ),
        1 => (
            Standing::Warns,
            "13 statements in 5 sections, 12 sent, 1 finding of the linter",
            &[
                "sha-256 5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c",
                "3 ALTER TABLE, 7 CREATE INDEX, 2 SELECT",
                "line 15: require-concurrent-index-creation",
            ],
        ),
        2 => (
            Standing::Holds,
            "wiser_ops on db1.prod.example:5432, as the runbook expects",
            &[
                "address    10.0.4.17, primary, 2 standbys follow it",
                "role       migrator, owner of the 3 tables",
                "server     PostgreSQL 15.18 (Debian 15.18-1.pgdg12+1)",
                "link       TLSv1.3, TLS_AES_256_GCM_SHA384; no pooler in between",
            ],
        ),
        3 => (Standing::Holds, "12 checks: 12 PASS, 0 WARN, 0 FAIL", &[]),
        _ => (
            Standing::Holds,
            "3 rollback scripts, in the order 013, 012, 011",
            &[
                "013_integration_receive_serviceops.sql  3 statements",
                "012_packet_decision.sql  1 statement",
                "011_integration_inbox.sql  1 statement",
            ],
        ),
    };
    let checks = if index == 3 {
        [
            "schema service_ops",
            "schema integration",
            "table integration_inbox",
            "no duplicate message_id",
            "no NULL message_id",
            "table packet_decision",
            "table integration_receive_serviceops",
            "primary key for the foreign key",
            "role owns integration_inbox",
            "role owns packet_decision",
            "role owns integration_receive_serviceops",
            "011 to 013 not applied yet",
        ]
        .iter()
        .map(|name| Check {
            name: (*name).into(),
            verdict: Verdict::Pass,
            detail: "as expected".into(),
        })
        .collect()
    } else {
        Vec::new()
    };
    Evidence {
        standing,
        summary: summary.into(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        checks,
        rehearsal: None,
        findings: None,
    }
}

pub fn plain(c: char) -> KeyEvent {
    KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)
}

pub struct Walk {
    pub machine: Machine,
    pub account: Account,
    pub screen: Screen,
    pub palette: Palette,
    runbook: Arc<Runbook>,
    seq: Seq,
}

impl Walk {
    pub fn new(runbook: Runbook) -> Walk {
        Walk::with_mode(runbook, Mode::Run)
    }

    /// A walk that has another form, as a rollback with parts that are left out if not needed.
    pub fn rolling_back_by_choice(runbook: Runbook) -> Walk {
        let mut plan = Plan::new(&runbook, Mode::Run, plan::HOLD_LIMIT);
        plan.other_form = true;
        Walk::with_plan(runbook, plan)
    }

    pub fn with_mode(runbook: Runbook, mode: Mode) -> Walk {
        let plan = Plan::new(&runbook, mode, plan::HOLD_LIMIT);
        Walk::with_plan(runbook, plan)
    }

    fn with_plan(runbook: Runbook, plan: Plan) -> Walk {
        runbook.read_through();
        Walk::unlinted(Arc::new(runbook), plan)
    }

    /// A walk that begins while the linter is under way.
    pub fn unlinted(runbook: Arc<Runbook>, plan: Plan) -> Walk {
        let mut machine = Machine::new(plan);
        let look = Appearance {
            colour: Palette::Colour,
            glyphs: Glyphs::Unicode,
        };
        let mut walk = Walk {
            account: Account::new(&runbook),
            screen: Screen::new(Arc::clone(&runbook), look),
            palette: Palette::Colour,
            runbook,
            seq: 0,
            machine: machine.clone(),
        };
        let effects = machine.start();
        walk.machine = machine;
        walk.do_all(effects);
        walk.screen.set_journal(std::path::Path::new(
            "/home/dba/.local/state/stagegate/20260117-0212.jsonl",
        ));
        walk.show();
        walk
    }

    fn do_all(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Request { seq, .. } => self.seq = seq,
                Effect::Refuse(refusal) => self.screen.refuse(refusal),
                Effect::Say(text) => self.screen.say(text),
                Effect::Cancel
                | Effect::StopBackup
                | Effect::Sever
                | Effect::Renew(_)
                | Effect::Leave(_)
                | Effect::StartOver => {}
            }
        }
    }

    pub fn feed(&mut self, event: Event) {
        let before = self.machine.before();
        self.account.take_down(&event);
        let effects = self.machine.handle(event.clone());
        (self.account).take_change(&before, &self.machine, &event, &self.runbook.script);
        self.do_all(effects);
    }

    pub fn feed_all(&mut self, events: Vec<Event>) {
        for event in events {
            self.feed(event);
        }
    }

    pub fn report(&mut self, body: Body) {
        let seq = self.seq;
        self.feed(Event::Reported(Report { seq, body }));
        self.show();
    }

    /// Draws as the loop does: what was noticed while drawing goes to the machine.
    pub fn show(&mut self) {
        self.buffer((80, 24), Glyphs::Unicode);
        let events = self.screen.take_events();
        self.feed_all(events);
        self.feed(Event::Drawn);
    }

    pub fn press(&mut self, key: &str) -> Vec<Event> {
        let code = match key {
            "Space" => KeyCode::Char(' '),
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Tab" => KeyCode::Tab,
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "PageDown" => KeyCode::PageDown,
            "Backspace" => KeyCode::Backspace,
            "Home" => KeyCode::Home,
            "Right" => KeyCode::Right,
            "Left" => KeyCode::Left,
            one => KeyCode::Char(one.chars().next().unwrap()),
        };
        let events = self.screen.key(
            KeyEvent::new(code, KeyModifiers::NONE),
            &self.machine,
            &self.account,
        );
        self.feed_all(events.clone());
        self.show();
        events
    }

    pub fn type_text(&mut self, text: &str) {
        for c in text.chars() {
            let events = self.screen.key(plain(c), &self.machine, &self.account);
            self.feed_all(events);
            self.show();
        }
    }

    pub fn tick(&mut self, elapsed: Millis) {
        self.feed(Event::Ticked { elapsed });
        self.show();
    }

    /// Time as it really passes, in small steps.
    pub fn tick_for(&mut self, all: Millis) {
        for _ in 0..all / 500 {
            self.feed(Event::Ticked { elapsed: 500 });
        }
        self.show();
    }

    pub fn connect(&mut self) {
        self.report(Body::Connected(Box::new(target())));
    }

    pub fn evidence(&mut self, mut change: impl FnMut(usize, &mut Evidence)) {
        for item in 0..self.runbook.items.len() {
            let mut evidence = evidence(item);
            evidence.findings = Some(self.runbook.script.findings_by_statement().len());
            change(item, &mut evidence);
            self.report(Body::Probed { item, evidence });
        }
    }

    pub fn sign_all(&mut self) {
        for document in [
            Document::Script,
            Document::Rollback(0),
            Document::Rollback(1),
            Document::Rollback(2),
        ] {
            self.feed(Event::ReadToEnd(document));
        }
        self.show();
        self.press("g");
        self.press("Space");
        self.type_text("ticket 4711");
        self.press("Enter");
        for item in 1..5 {
            assert_eq!(self.press("g"), []);
            for _ in 0..item {
                self.press("Down");
            }
            for _ in 0..self.machine.items()[item].open_findings() {
                self.press("f");
            }
            if self.machine.plan().items[item].database_name {
                let note = self.account.target.as_ref().map(|t| t.database.clone());
                self.feed(Event::Asked(Command::SignOff { item, note }));
                self.show();
            } else {
                self.press("Space");
            }
        }
        assert!(self.machine.items().iter().all(|item| item.signed));
    }

    pub fn begin(&mut self) {
        self.tick(40);
        self.report(Body::Begun {
            xid: "748".into(),
            added: [
                "BEGIN",
                "SET LOCAL lock_timeout = '3s'",
                "SET LOCAL idle_in_transaction_session_timeout = '15s'",
                "SET LOCAL client_connection_check_interval = '1s'",
            ]
            .into_iter()
            .map(|sql| Added::Ahead(sql.into()))
            .chain([Added::Behind("SHOW synchronous_commit".into())])
            .collect(),
        });
    }

    pub fn start(&mut self, number: usize) {
        self.report(Body::StatementStarted { number });
    }

    pub fn finish(&mut self, number: usize, duration: Millis, checks: Vec<Check>) {
        let (_, kind, relation, _) = STATEMENTS[number];
        let lock = |mode| {
            vec![Lock {
                mode,
                relation: relation.into(),
            }]
        };
        let first = !STATEMENTS[..number]
            .iter()
            .any(|(_, _, earlier, _)| *earlier == relation);
        let locks = match kind {
            "ALTER TABLE" if first => lock(LockMode::AccessExclusive),
            "CREATE INDEX" if (number + 1).is_multiple_of(3) => lock(LockMode::Share),
            _ => Vec::new(),
        };
        self.tick(duration);
        self.report(Body::StatementFinished(Box::new(StatementReport {
            number,
            duration,
            tag: kind.into(),
            result: None,
            checks,
            locks,
        })));
    }

    /// Runs the whole script; `change` is called on each check, for whoever wants a FAIL.
    pub fn run_script(&mut self, mut change: impl FnMut(&mut Check)) {
        let mut checks: Vec<Check> = CHECKS
            .iter()
            .map(|(name, detail)| Check {
                name: (*name).into(),
                verdict: Verdict::Pass,
                detail: (*detail).into(),
            })
            .collect();
        checks.iter_mut().for_each(&mut change);
        let rest = checks.split_off(4);
        for number in 1..STATEMENTS.len() {
            self.start(number);
            let checks = match number {
                11 => checks.clone(),
                12 => rest.clone(),
                _ => Vec::new(),
            };
            self.finish(
                number,
                13 * (number as u64 + 1) + if number == 3 { 1_900 } else { 0 },
                checks,
            );
        }
        self.report(Body::ScriptFinished);
    }

    /// From the way to the server to the end of the script, every item signed and every statement done.
    pub fn apply(&mut self) {
        self.connect();
        self.evidence(|_, _| {});
        self.sign_all();
        self.press("a");
        self.begin();
        self.run_script(|_| {});
    }

    pub fn settle(&mut self) {
        self.report(Body::Settled {
            same_transaction: true,
        });
    }

    /// A statement that does not get its lock, and the rollback before the next attempt.
    pub fn lock_timeout(&mut self, number: usize) {
        self.report(Body::StatementFailed {
            number,
            duration: 3_000,
            error: Box::new(ServerMessage {
                severity: "ERROR".into(),
                sqlstate: Some("55P03".into()),
                message: "canceling statement due to lock timeout".into(),
                ..ServerMessage::default()
            }),
        });
        self.answer_rollback();
        assert!(matches!(self.machine.phase(), Phase::Waiting { .. }));
    }

    pub fn sight(&mut self, sight: Sight) {
        self.feed(Event::Observed(Observation::Seen(Box::new(sight))));
        self.show();
    }

    pub fn busy(&mut self) {
        self.sight(sight_with("packet-api"));
    }

    pub fn looked(&mut self, answer: Result<Rows, ServerMessage>, after: After) {
        let Phase::Querying { question, .. } = self.machine.phase() else {
            panic!("no query runs")
        };
        let question = question.clone();
        self.report(Body::Looked(Box::new(Looked {
            question,
            duration: 12,
            answer,
            after,
        })));
    }

    pub fn answer_commit(&mut self) {
        self.tick(80);
        self.report(Body::CommitAnswered(CommitAnswer::Tag {
            tag: "COMMIT".into(),
            idle: true,
            xact_status: Some(XactStatus::Committed),
        }));
    }

    pub fn answer_rollback(&mut self) {
        self.tick(20);
        self.report(Body::RollbackAnswered {
            tag: "ROLLBACK".into(),
            ended_ours: true,
            xact_status: Some(XactStatus::Aborted),
        });
    }

    pub fn post_verified(&mut self, good: bool) {
        let text = |value: &str| Some(value.to_owned());
        let report =
            |number, name: &str, verdict, columns: &[&str], rows: Vec<Vec<Option<String>>>| {
                StatementReport {
                    number,
                    tag: "SELECT".into(),
                    checks: vec![Check {
                        name: name.into(),
                        verdict,
                        detail: format!("{} of {} expected", rows.len(), rows.len()),
                    }],
                    result: Some(ResultSet {
                        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
                        total: rows.len() as u64,
                        rows,
                    }),
                    ..StatementReport::default()
                }
            };
        let verdict = if good { Verdict::Pass } else { Verdict::Fail };
        self.report(Body::PostVerified {
            results: vec![
                report(
                    1,
                    "integration_inbox has message_type_id",
                    Verdict::Pass,
                    &["column_name", "data_type"],
                    vec![vec![text("message_type_id"), text("integer")]],
                ),
                report(
                    2,
                    "packet_decision has the 9 columns",
                    verdict,
                    &["count"],
                    vec![vec![text(if good { "9" } else { "8" })]],
                ),
                report(
                    3,
                    "integration_receive_serviceops has the 3 columns",
                    Verdict::Pass,
                    &["column_name", "data_type"],
                    vec![
                        vec![text("correlation_id"), text("uuid")],
                        vec![text("attempt_count"), text("integer")],
                        vec![text("payload_version"), None],
                    ],
                ),
            ],
        });
    }

    pub fn buffer(&mut self, size: (u16, u16), glyphs: Glyphs) -> Buffer {
        self.screen.set_appearance(Appearance {
            colour: self.palette,
            glyphs,
        });
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        terminal
            .draw(|frame| self.screen.draw(frame, &self.machine, &self.account))
            .unwrap();
        terminal.backend().buffer().clone()
    }

    pub fn text(&mut self, size: (u16, u16), glyphs: Glyphs) -> String {
        text(&self.buffer(size, glyphs))
    }
}

/// The text of a buffer; trailing blanks left out.
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut line = String::new();
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += (Span::raw(symbol).width() as u16).max(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Where `needle` stands, by cells.
pub fn find(buffer: &Buffer, needle: &str) -> Option<(u16, u16)> {
    let wanted: Vec<String> = needle.chars().map(String::from).collect();
    for y in buffer.area.top()..buffer.area.bottom() {
        for x in buffer.area.left()..buffer.area.right() {
            let hit = wanted.iter().enumerate().all(|(nth, symbol)| {
                buffer
                    .cell((x + nth as u16, y))
                    .is_some_and(|cell| cell.symbol() == symbol)
            });
            if hit {
                return Some((x, y));
            }
        }
    }
    None
}

pub fn sight_with(name: &str) -> Sight {
    let session = |pid, since, behind| OtherSession {
        pid,
        role: "app_writer".into(),
        application: name.into(),
        client: Some("10.1.2.3".into()),
        state: Some("active".into()),
        query: Some(format!("UPDATE service_ops.packet_decision -- {name}")),
        relation: Some(PACKET.into()),
        since: Some(since),
        behind,
    };
    Sight {
        progress: Some(Progress {
            phase: "building index: scanning table".into(),
            done: 1_234,
            total: 2_000,
            unit: "blocks",
        }),
        waiters: vec![
            session(4242, 12_400, vec![]),
            session(4243, 9_000, vec![4242]),
            session(4250, 800, vec![4242]),
            session(4251, 700, vec![4243]),
        ],
        blockers: vec![],
        waits: None,
    }
}

pub fn checklist() -> Walk {
    let mut walk = Walk::new(runbook());
    walk.connect();
    walk.evidence(|_, _| {});
    walk
}

pub fn applying() -> Walk {
    let mut walk = checklist();
    walk.sign_all();
    walk.press("a");
    walk.begin();
    for number in 1..=5 {
        walk.start(number);
        walk.finish(number, if number == 3 { 1_912 } else { 14 }, Vec::new());
    }
    walk.report(Body::Noticed {
        number: Some(5),
        message: Box::new(ServerMessage {
            severity: "NOTICE".into(),
            sqlstate: Some("42701".into()),
            message: "column \"utn\" of relation \"packet_decision\" already exists, skipping"
                .into(),
            ..ServerMessage::default()
        }),
    });
    walk.start(6);
    walk.tick(3_200);
    walk.busy();
    walk
}

pub fn applied() -> Walk {
    let mut walk = checklist();
    walk.sign_all();
    walk.press("a");
    walk.begin();
    walk.run_script(|_| {});
    walk
}

/// At the armed gate of a run that can be decided with nothing held, and nobody waits.
pub fn deciding_at_leisure() -> Walk {
    let runbook = runbook();
    let plan = Plan {
        unheld: Unheld::Refused("a sequence".into()),
        ..Plan::new(&runbook, Mode::Run, plan::HOLD_LIMIT)
    };
    let mut walk = Walk::with_plan(runbook, plan);
    walk.apply();
    walk.settle();
    walk.tick(450);
    walk
}

/// A pass that was let go, with nothing held; COMMIT can be given on it.
pub fn reviewing() -> Walk {
    let runbook = runbook();
    let plan = Plan {
        unheld: Unheld::Offered {
            limit: plan::APPROVAL_LIMIT,
            by_itself: false,
            review_again: false,
        },
        ..Plan::new(&runbook, Mode::Run, plan::HOLD_LIMIT)
    };
    let known = || Structure::Known(BTreeMap::new());
    let mut walk = Walk::with_plan(runbook, plan);
    walk.apply();
    walk.feed(Event::CameOut(Arc::new(Pass {
        before: known(),
        ..Pass::of("script")
    })));
    walk.settle();
    walk.tick(450);
    walk.press("t");
    walk.report(Body::TakenDown {
        structure: Box::new(known()),
        duration: 3,
    });
    walk.answer_rollback();
    assert!(matches!(walk.machine.phase(), Phase::Reviewing { .. }));
    walk.tick(450);
    walk
}

pub fn deciding() -> Walk {
    let mut walk = applied();
    walk.settle();
    walk.sight(Sight {
        progress: None,
        ..sight_with("packet-api")
    });
    walk.tick(450);
    walk
}

/// At the gate, with a query under way.
pub fn querying(text: &str) -> Walk {
    let mut walk = deciding();
    walk.press(":");
    walk.type_text(text);
    walk.press("Enter");
    assert!(matches!(walk.machine.phase(), Phase::Querying { .. }));
    walk
}

pub fn rows(columns: &[&str], rows: &[&[Option<&str>]]) -> Rows {
    let cell = |cell: &Option<&str>| cell.map(str::to_owned);
    Rows {
        set: ResultSet {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: rows
                .iter()
                .map(|row| row.iter().map(cell).collect())
                .collect(),
            total: rows.len() as u64,
        },
        more: false,
    }
}

pub fn committing() -> Walk {
    let mut walk = deciding();
    walk.press("c");
    walk.type_text("wiser_ops");
    walk.press("Enter");
    assert!(matches!(walk.machine.phase(), Phase::Committing { .. }));
    walk
}

pub fn failing() -> Walk {
    let mut walk = checklist();
    walk.sign_all();
    walk.press("a");
    walk.begin();
    walk.run_script(|check| {
        if check.name.starts_with("packet_decision: 21") {
            check.verdict = Verdict::Fail;
            check.detail = "missing: letter_sent_to_integration_at; wrong type: esmd_attempt_count is text, not integer".into();
        }
        if check.name.contains("old constraint") {
            check.verdict = Verdict::Warn;
            check.detail = "gone, but an index of the same name is left".into();
        }
    });
    walk.settle();
    walk
}

pub fn error() -> Walk {
    let mut walk = checklist();
    walk.sign_all();
    walk.press("a");
    walk.begin();
    for number in 1..=2 {
        walk.start(number);
        walk.finish(number, 14, Vec::new());
    }
    walk.start(3);
    walk.tick(1_840);
    walk.report(Body::StatementFailed {
        number: 3,
        duration: 1_840,
        error: Box::new(ServerMessage {
            severity: "ERROR".into(),
            sqlstate: Some("23505".into()),
            message: "could not create unique index \"uq_integration_inbox_message_id\"".into(),
            detail: Some("Key (message_id)=(m-17) is duplicated.".into()),
            hint: Some("Find them with: SELECT message_id FROM service_ops.integration_inbox GROUP BY 1 HAVING count(*) > 1".into()),
            context: None,
            position: Some(74),
            ..ServerMessage::default()
        }),
    });
    walk
}

/// Rolled back because a lock was not granted in time, and waiting for another attempt.
pub fn blocked() -> Walk {
    let mut walk = applying();
    walk.sight(Sight {
        blockers: vec![OtherSession {
            pid: 5150,
            role: "report_reader".into(),
            application: "nightly-report".into(),
            client: Some("10.1.2.3".into()),
            state: Some("idle in transaction".into()),
            query: Some("SELECT count(*) FROM service_ops.packet_decision".into()),
            relation: Some(PACKET.into()),
            since: Some(95_000),
            behind: Vec::new(),
        }],
        ..Sight::default()
    });
    walk.lock_timeout(6);
    walk
}

/// How many phases [`a_phase`] knows.
pub const PHASES: usize = 20;

pub fn a_phase(nth: usize) -> Walk {
    let with = |mut walk: Walk, keys: &[&str]| {
        for key in keys {
            walk.press(key);
        }
        walk
    };
    match nth {
        0 => Walk::new(runbook()),
        1 => checklist(),
        2 => applying(),
        3 => applied(),
        4 => deciding(),
        5 => failing(),
        6 => error(),
        7 => committing(),
        8 => {
            let mut walk = Walk::new(runbook());
            walk.report(Body::ConnectFailed(ServerMessage::default()));
            walk
        }
        9 => {
            let mut walk = checklist();
            walk.sign_all();
            with(walk, &["a"])
        }
        10 => with(deciding(), &["c"]),
        11 => with(deciding(), &["r"]),
        12 => with(deciding(), &["r", "y"]),
        13 => {
            let mut walk = a_phase(12);
            walk.answer_rollback();
            walk
        }
        14 => {
            let mut walk = committing();
            walk.answer_commit();
            walk
        }
        15 => {
            let mut walk = a_phase(14);
            walk.post_verified(true);
            walk
        }
        16 => blocked(),
        17 => querying("SELECT 1"),
        18 => {
            let mut walk = querying("SELECT 1");
            walk.looked(
                Ok(Rows::default()),
                After::Disturbed("locks were left".into()),
            );
            walk
        }
        _ => {
            let mut walk = committing();
            walk.report(Body::SessionEnded(ServerMessage::default()));
            walk.report(Body::Asked(Inquiry::Unreachable("no route".into())));
            walk
        }
    }
}

pub fn every_phase() -> Vec<Walk> {
    (0..PHASES).map(a_phase).collect()
}

/// A snapshot a size.
pub fn shoot(name: &str, walk: &mut Walk) {
    for size in SIZES {
        shoot_at(name, walk, size);
    }
    walk.show();
}

/// A snapshot, Unicode above and ASCII below.
pub fn shoot_at(name: &str, walk: &mut Walk, size: (u16, u16)) {
    let mut shots = String::new();
    for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
        shots.push_str(&format!("{glyphs:?} {}x{}\n", size.0, size.1));
        shots.push_str(&walk.text(size, glyphs));
    }
    keep_snapshot(&format!("{name}_{}x{}", size.0, size.1), &shots);
}

/// A snapshot of the lines alone that `usual` does not have on its screen, at each size.
pub fn shoot_beside(usual: &mut Walk, name: &str, walk: &mut Walk) {
    let mut shots = String::new();
    for size in SIZES {
        let usual = usual.text(size, Glyphs::Unicode);
        let usual: HashSet<&str> = usual.lines().collect();
        shots.push_str(&format!("{}x{}\n", size.0, size.1));
        for line in walk.text(size, Glyphs::Unicode).lines() {
            if !usual.contains(line) {
                shots.push_str(line);
                shots.push('\n');
            }
        }
    }
    walk.show();
    keep_snapshot(name, &shots);
}

pub fn keep_snapshot(name: &str, shots: &str) {
    insta::with_settings!({
        prepend_module_to_snapshot => false,
        omit_expression => true,
        snapshot_path => "../snapshots",
    }, {
        insta::assert_snapshot!(name, shots);
    });
}
