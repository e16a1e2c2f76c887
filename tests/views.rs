//! What a person sees, phase by phase: the real machine is walked there with real events, and the
//! real screen is drawn into a buffer. Snapshots hold the text; a few tests hold the styles.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "views/stage.rs"]
mod stage;
#[path = "views/staying_true.rs"]
mod staying_true;

mod hostile {
    //! I8: what a server or a script says never reaches the terminal raw, and never moves a column.
    use crate::stage::*;
    use stagegate::facts::{ServerMessage, Target};
    use stagegate::gate::event::Body;
    use stagegate::runbook::check::{Check, Verdict};
    use stagegate::runbook::script::Finding;
    use stagegate::tui::Glyphs;

    const HOSTILE: &str =
        "a\x1b[2J\x1b]0;owned\x07b\u{9b}31mc\u{202e}d\r\ne\u{85}f\x7f\u{200b}\t東京";

    fn poisoned() -> Walk {
        let mut runbook = runbook();
        runbook.title = HOSTILE.into();
        for item in &mut runbook.items {
            item.title = HOSTILE.into();
        }
        for section in &mut runbook.script.sections {
            section.title = HOSTILE.into();
        }
        for statement in &mut runbook.script.statements {
            statement.kind = HOSTILE.into();
            statement.relation = Some(HOSTILE.into()).into();
        }
        for source in &mut runbook.script.sources {
            source.text = format!("-- {HOSTILE}\n{}", source.text).into();
        }
        runbook.script.name = HOSTILE.into();
        let findings = runbook.script.findings().iter().map(|finding| Finding {
            message: HOSTILE.into(),
            ..finding.clone()
        });
        runbook.script.findings = findings.collect::<Vec<_>>().into();
        let mut walk = Walk::new(runbook);
        walk.report(Body::Connected(Box::new(Target {
            host: HOSTILE.into(),
            database: HOSTILE.into(),
            role: HOSTILE.into(),
            server_version: HOSTILE.into(),
            ..target()
        })));
        walk
    }

    fn message() -> ServerMessage {
        ServerMessage {
            severity: "ERROR".into(),
            sqlstate: Some(HOSTILE.into()),
            message: HOSTILE.into(),
            detail: Some(HOSTILE.into()),
            hint: Some(HOSTILE.into()),
            context: Some(HOSTILE.into()),
            position: Some(3),
            ..ServerMessage::default()
        }
    }

    fn every_view(walk: &mut Walk) {
        for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
            for size in SIZES {
                for key in ["", "l", "s", "m", "i", "?"] {
                    if !key.is_empty() {
                        walk.press(key);
                    }
                    let buffer = walk.buffer(size, glyphs);
                    for cell in buffer.content() {
                        let symbol = cell.symbol();
                        assert!(
                            !symbol.contains(|c: char| c.is_control() || c == '\u{202e}'),
                            "{symbol:?} on the screen"
                        );
                        if glyphs == Glyphs::Ascii {
                            assert!(symbol.is_ascii(), "{symbol:?} without UTF-8");
                        }
                    }
                    walk.press("Esc");
                }
            }
        }
    }

    #[test]
    fn no_control_character_reaches_the_screen() {
        let mut walk = poisoned();
        walk.evidence(|_, evidence| {
            evidence.summary = HOSTILE.into();
            evidence.lines = vec![HOSTILE.into()];
        });
        every_view(&mut walk);
        walk.screen.say(HOSTILE.into());
        walk.sign_all();
        walk.press("a");
        walk.begin();
        walk.report(Body::Noticed {
            number: Some(2),
            message: Box::new(message()),
        });
        walk.sight(sight_with(HOSTILE));
        walk.start(2);
        every_view(&mut walk);
        walk.report(Body::StatementFailed {
            number: 2,
            duration: 5,
            error: Box::new(message()),
        });
        every_view(&mut walk);

        let mut walk = poisoned();
        walk.evidence(|_, _| {});
        walk.sign_all();
        walk.press("a");
        walk.begin();
        walk.run_script(|check| {
            *check = Check {
                name: HOSTILE.into(),
                verdict: Verdict::Fail,
                detail: HOSTILE.into(),
            }
        });
        walk.settle();
        every_view(&mut walk);
    }

    #[test]
    fn what_is_hostile_is_shown_as_an_escape_rather_than_left_out() {
        let mut walk = poisoned();
        walk.press("m");
        walk.screen.say(HOSTILE.into());
        let text = walk.text((120, 40), Glyphs::Unicode);
        for escaped in ["a\\x1b[2J", "\\x07", "\\x9b31m", "\\u{202e}"] {
            assert!(text.contains(escaped), "{escaped} in {text}");
        }
    }

    #[test]
    fn wide_characters_do_not_shift_what_stands_to_their_right() {
        let mut runbook = runbook();
        for (statement, relation) in runbook.script.statements.iter_mut().zip(
            [
                "東京.受信箱",
                "a.b",
                "ßüö.é",
                "emoji.👍🏽",
                "long.東京東京東京東京東京東京東京東京東京東京東京",
            ]
            .iter()
            .cycle(),
        ) {
            statement.relation = Some((*relation).into()).into();
        }
        let mut walk = Walk::new(runbook);
        walk.apply();
        walk.settle();
        walk.press("Tab");
        walk.press("Tab");
        let buffer = walk.buffer((80, 24), Glyphs::Unicode);
        let mut column = None;
        for y in 0..24 {
            // Cell by cell, as a terminal counts columns.
            let row: Vec<&str> = (0..80).map(|x| buffer[(x, y)].symbol()).collect();
            for x in 0..77 {
                if row[x..x + 4].concat() == "done" && x > 40 {
                    assert_eq!(*column.get_or_insert(x), x, "row {y}");
                }
            }
        }
        assert!(column.is_some());
    }
}

mod snapshots {
    //! Every screen as it usually is, whole, at three sizes, with Unicode and with ASCII; of what else can
    //! stand on it the lines that are then others.
    use crate::stage::*;
    use stagegate::facts::{
        Dump, Dumping, Inquiry, OtherSession, ServerMessage, Sight, Standing, XactStatus,
    };
    use stagegate::gate::event::*;
    use stagegate::gate::plan::{self, Mode, Plan};
    use stagegate::runbook::Runbook;
    use stagegate::runbook::check::Verdict;
    use stagegate::runbook::impact::{Measure, MeasuredTable, TableSize};
    use stagegate::runbook::objects::Name;
    use stagegate::tui::Glyphs;
    use stagegate::walk::evidence;
    use std::sync::Arc;

    fn reading_scripts() -> Walk {
        let mut walk = checklist();
        walk.press("s");
        walk
    }

    fn committed() -> Walk {
        let mut walk = committing();
        walk.answer_commit();
        walk.post_verified(true);
        walk
    }

    fn rolled_back() -> Walk {
        let mut walk = deciding();
        walk.press("r");
        walk.press("y");
        walk.answer_rollback();
        walk
    }

    fn link_cut() -> Walk {
        let mut walk = committing();
        walk.report(Body::CommitAnswered(CommitAnswer::LinkLost(Box::new(
            ServerMessage {
                message: "connection reset by peer".into(),
                ..ServerMessage::default()
            },
        ))));
        walk
    }

    #[test]
    fn connecting_phase() {
        let mut walk = Walk::new(runbook());
        walk.tick(700);
        shoot("connecting", &mut walk);
    }

    #[test]
    fn not_connected() {
        let mut walk = Walk::new(runbook());
        walk.report(Body::ConnectFailed(ServerMessage {
            severity: "FATAL".into(),
            sqlstate: Some("28P01".into()),
            message: "password authentication failed for user \"migrator\"".into(),
            ..ServerMessage::default()
        }));
        shoot("not_connected", &mut walk);
    }

    #[test]
    fn checklist_phase() {
        shoot("checklist", &mut checklist());
    }

    #[test]
    fn half_of_a_wide_screen_and_twenty_rows() {
        for size in [(79, 24), (80, 20)] {
            shoot_at("checklist", &mut checklist(), size);
            shoot_at("applying", &mut applying(), size);
            shoot_at("gate", &mut deciding(), size);
            shoot_at("must_roll_back_fail", &mut failing(), size);
        }
    }

    #[test]
    fn checklist_linting() {
        let runbook = Arc::new(Runbook::load(None).unwrap());
        let plan = Plan::new(&runbook, Mode::Run, plan::HOLD_LIMIT);
        let mut walk = Walk::unlinted(Arc::clone(&runbook), plan);
        walk.connect();
        let report = |walk: &mut Walk, evidence| walk.report(Body::Probed { item: 1, evidence });
        report(&mut walk, evidence::linting(&runbook.script));
        walk.press("Down");
        let screen = |walk: &mut Walk| walk.text((80, 24), Glyphs::Unicode);
        keep_snapshot("checklist_linting", &screen(&mut walk));
        // The scripts stand there with what it says, so that they open with that.
        for key in ["s", "i"] {
            walk.press(key);
            let shown = screen(&mut walk);
            assert!(shown.contains("The linter is under way"), "{key}: {shown}");
            assert!(!shown.contains("ALTER TABLE"), "{key}: {shown}");
            walk.press("Esc");
        }
        walk.press("Space");
        assert!(!walk.machine.items()[1].signed);
        assert!(
            !runbook.is_read_through(),
            "nothing of the screen waits for it"
        );

        runbook.read_through();
        report(&mut walk, evidence::review(&runbook));
        walk.press("s");
        let shown = screen(&mut walk);
        assert!(shown.contains("BEGIN"), "{shown}");
        assert!(!shown.contains("The linter is under way"), "{shown}");
    }

    #[test]
    fn checklist_looking() {
        let mut walk = Walk::new(runbook());
        walk.connect();
        walk.tick(300);
        shoot_beside(&mut checklist(), "checklist_looking", &mut walk);
    }

    #[test]
    fn impact_before_apply() {
        let mut walk = checklist();
        walk.press("i");
        shoot_beside(&mut checklist(), "impact_unmeasured", &mut walk);
        let size = |total: &str, rows| TableSize {
            total: Some(total.into()),
            rows,
        };
        let tables = [
            ("service_ops.integration_inbox", Some(size("9784 kB", None))),
            (
                "service_ops.packet_decision",
                Some(size("10 GB", Some(12_345_678))),
            ),
            ("integration.integration_receive_serviceops", None),
        ];
        let tables = tables.map(|(name, found)| MeasuredTable {
            name: Name::parse(name).unwrap(),
            found,
        });
        walk.report(Body::Measured(Measure {
            tables: tables.into(),
            problem: None,
        }));
        shoot("impact", &mut walk);
    }

    #[test]
    fn checklist_partly_signed() {
        let mut walk = checklist();
        walk.press("Space");
        walk.type_text("ticket 4711, pg_dump of 02:10, /backup/wiser_ops.dump");
        walk.press("Enter");
        walk.press("Down");
        walk.press("Space");
        walk.type_text("wiser_ops");
        shoot_beside(&mut checklist(), "checklist_database_name", &mut walk);
        walk.press("Enter");
        shoot_beside(&mut checklist(), "checklist_partly_signed", &mut walk);
        walk.press("Enter");
        shoot_beside(&mut checklist(), "checklist_evidence", &mut walk);
    }

    #[test]
    fn checklist_fails() {
        let mut walk = Walk::new(runbook());
        walk.connect();
        walk.evidence(|index, evidence| {
            if index == 3 {
                evidence.standing = Standing::Fails;
                evidence.summary = "1 of 12 checks says FAIL".into();
                evidence.checks[3].verdict = Verdict::Fail;
                evidence.checks[3].detail =
                    "message_id m-17 occurs 2 times, m-40 occurs 3 times".into();
            }
        });
        for _ in 0..3 {
            walk.press("Down");
        }
        walk.press("Space");
        shoot_beside(&mut checklist(), "checklist_fails", &mut walk);
    }

    #[test]
    fn checklist_reference() {
        let mut walk = checklist();
        walk.press("Space");
        walk.type_text("ticket 4711, pg_dump of 02:10");
        shoot_beside(&mut checklist(), "checklist_reference", &mut walk);
    }

    #[test]
    fn checklist_backup() {
        let mut walk = checklist();
        walk.screen
            .set_backup_folder(std::path::Path::new("/srv/backup"));
        walk.press("Down");
        walk.press("b");
        shoot_beside(&mut checklist(), "checklist_backup_folder", &mut walk);
        walk.press("Enter");
        let mut dumping = Dumping {
            path: "/srv/backup/wiser_ops-20260117T021200Z.dump".into(),
            doing: "pg_dump 15.18 is starting".into(),
            database_bytes: 48 << 30,
            free_bytes: 20 << 30,
            ..Dumping::default()
        };
        walk.report(Body::BackupStarted(Box::new(dumping.clone())));
        dumping.bytes = 1_290_000_000;
        dumping.elapsed = 74_300;
        dumping.doing = "dumping contents of table \"service_ops.packet_decision\"".into();
        walk.report(Body::BackupProgressed(Box::new(dumping.clone())));
        walk.tick(300);
        shoot_beside(&mut checklist(), "checklist_backup_dumping", &mut walk);
        walk.report(Body::BackedUp(Box::new(Dump {
            path: dumping.path,
            bytes: 3_221_225_472,
            took: 184_700,
            made_at: "2026-01-17 02:15:05 UTC".into(),
            sha256: "5f2c".repeat(16),
            entries: 214,
            tables: 31,
            program: "15.18".into(),
            server: "15.18 (Debian 15.18-1.pgdg12+1)".into(),
            database: "wiser_ops".into(),
            system_identifier: None,
        })));
        shoot_beside(&mut checklist(), "checklist_backup_made", &mut walk);
        walk.press("Space");
        shoot_beside(&mut checklist(), "checklist_backup_signed", &mut walk);
    }

    #[test]
    fn checklist_backup_failed() {
        let mut walk = checklist();
        walk.press("b");
        walk.type_text("/srv");
        walk.press("Enter");
        walk.report(Body::BackupStarted(Box::default()));
        walk.report(Body::BackupFailed(
            "pg_dump: error: query failed: ERROR:  permission denied for table packet_decision\n\
             detail: Query was: LOCK TABLE service_ops.packet_decision IN ACCESS SHARE MODE"
                .into(),
        ));
        shoot_beside(&mut checklist(), "checklist_backup_failed", &mut walk);
    }

    #[test]
    fn checklist_signed() {
        let mut walk = checklist();
        walk.sign_all();
        shoot_beside(&mut checklist(), "checklist_signed", &mut walk);
    }

    #[test]
    fn scripts() {
        let mut walk = reading_scripts();
        shoot("scripts", &mut walk);
        walk.press("/");
        walk.type_text("letter_status");
        shoot_beside(&mut reading_scripts(), "scripts_find", &mut walk);
        walk.press("Enter");
        walk.press("G");
        shoot_beside(&mut reading_scripts(), "scripts_end", &mut walk);
        walk.press("Tab");
        shoot_beside(&mut reading_scripts(), "scripts_rollback", &mut walk);
    }

    #[test]
    fn beginning() {
        let mut walk = checklist();
        walk.sign_all();
        walk.press("a");
        shoot("beginning", &mut walk);
    }

    #[test]
    fn applying_phase() {
        let mut walk = applying();
        shoot("applying", &mut walk);
        walk.press("l");
        shoot("locks", &mut walk);
        walk.press("m");
        shoot("messages", &mut walk);
        walk.press("?");
        shoot("help", &mut walk);
    }

    #[test]
    fn applying_blocked() {
        let mut walk = applying();
        walk.sight(Sight {
            blockers: vec![OtherSession {
                pid: 5150,
                role: "report_reader".into(),
                application: "nightly-report".into(),
                client: Some("10.1.2.3".into()),
                state: Some("idle in transaction".into()),
                query: Some("SELECT count(*) FROM service_ops.packet_decision".into()),
                relation: Some("service_ops.packet_decision".into()),
                since: Some(95_000),
                behind: Vec::new(),
            }],
            ..Sight::default()
        });
        walk.press("x");
        shoot_beside(&mut applying(), "applying_blocked_cancelling", &mut walk);
    }

    #[test]
    fn who_was_in_the_way_of_one_statement_is_not_told_of_the_next() {
        let blocker = || OtherSession {
            pid: 5150,
            role: "report_reader".into(),
            ..OtherSession::default()
        };
        for (blocked, told) in [(6, false), (7, true)] {
            let mut walk = applying();
            for number in [6, 7] {
                if number == blocked {
                    walk.sight(Sight {
                        blockers: vec![blocker()],
                        ..Sight::default()
                    });
                }
                if number == 6 {
                    walk.finish(6, 900, Vec::new());
                    walk.start(7);
                }
            }
            walk.lock_timeout(7);
            let text = walk.text((80, 24), stagegate::tui::Glyphs::Unicode);
            assert_eq!(text.contains("waited for pid 5150"), told, "{text}");
            assert_eq!(text.contains("Who held the lock was not seen"), !told);
        }
    }

    #[test]
    fn lock_not_granted() {
        let mut walk = blocked();
        shoot("waiting", &mut walk);
        walk.press("x");
        shoot_beside(&mut rolled_back(), "rolled_back_lock_timeout", &mut walk);
    }

    #[test]
    fn verifying() {
        let mut walk = applied();
        shoot("verifying", &mut walk);
    }

    #[test]
    fn deciding_phase() {
        let mut walk = deciding();
        shoot("gate", &mut walk);
        walk.press("Enter");
        shoot_beside(&mut deciding(), "gate_checks", &mut walk);
        walk.press("Tab");
        shoot_beside(&mut deciding(), "gate_statements", &mut walk);
    }

    #[test]
    fn a_large_screen() {
        let mut walk = deciding();
        shoot_at("gate", &mut walk, (200, 50));
        let mut walk = failing();
        shoot_at("must_roll_back_fail", &mut walk, (200, 50));
    }

    #[test]
    fn deciding_not_armed() {
        let mut walk = applied();
        walk.settle();
        walk.press("c");
        shoot_beside(&mut deciding(), "gate_not_armed", &mut walk);
    }

    #[test]
    fn deciding_commit_prompt() {
        let mut walk = deciding();
        walk.press("c");
        walk.type_text("wiser");
        shoot_beside(&mut deciding(), "gate_commit", &mut walk);
        walk.press("Enter");
        shoot_beside(&mut deciding(), "gate_commit_wrong_name", &mut walk);
    }

    #[test]
    fn deciding_rollback_question() {
        let mut walk = deciding();
        walk.press("r");
        shoot_beside(&mut deciding(), "gate_rollback", &mut walk);
    }

    #[test]
    fn deciding_last_minute() {
        let mut walk = deciding();
        walk.busy();
        walk.tick_for(140_000);
        shoot_beside(&mut deciding(), "gate_half", &mut walk);
        walk.tick_for(105_000);
        shoot_beside(&mut deciding(), "gate_last_minute", &mut walk);
        walk.tick_for(43_000);
        shoot_beside(&mut deciding(), "gate_last_seconds", &mut walk);
    }

    #[test]
    fn rehearsal() {
        let mut walk = Walk::with_mode(runbook(), Mode::Rehearse);
        walk.connect();
        walk.evidence(|_, _| {});
        walk.press("a");
        walk.begin();
        walk.run_script(|_| {});
        walk.settle();
        walk.tick(500);
        shoot_beside(&mut deciding(), "gate_rehearsal", &mut walk);
    }

    #[test]
    fn must_roll_back_on_fail() {
        let mut walk = failing();
        shoot("must_roll_back_fail", &mut walk);
        walk.press("c");
        shoot_beside(
            &mut failing(),
            "must_roll_back_fail_commit_refused",
            &mut walk,
        );
        walk.press("Tab");
        shoot_beside(&mut failing(), "must_roll_back_checks", &mut walk);
    }

    #[test]
    fn must_roll_back_on_error() {
        let mut walk = error();
        shoot_beside(&mut failing(), "must_roll_back_error", &mut walk);
        walk.press("Tab");
        walk.press("Tab");
        shoot_beside(&mut error(), "must_roll_back_statements", &mut walk);
        walk.press("r");
        shoot_beside(&mut error(), "must_roll_back_question", &mut walk);
    }

    #[test]
    fn committing_and_committed() {
        let mut walk = committing();
        shoot("committing", &mut walk);
        walk.answer_commit();
        shoot("post_verifying", &mut walk);
        let mut walk = committed();
        shoot("committed", &mut walk);
        walk.press("Tab");
        shoot_beside(&mut committed(), "committed_post", &mut walk);
    }

    #[test]
    fn committed_but_post_fails() {
        let mut walk = committing();
        walk.answer_commit();
        walk.post_verified(false);
        shoot_beside(&mut committed(), "committed_post_fails", &mut walk);
    }

    #[test]
    fn rolling_back_and_rolled_back() {
        let mut walk = deciding();
        walk.press("r");
        walk.press("y");
        shoot("rolling_back", &mut walk);
        shoot("rolled_back", &mut rolled_back());
    }

    #[test]
    fn rolled_back_after_an_error() {
        let mut walk = error();
        walk.press("r");
        walk.press("y");
        walk.answer_rollback();
        shoot_beside(&mut rolled_back(), "rolled_back_error", &mut walk);
    }

    #[test]
    fn rolled_back_by_the_hold_limit() {
        let mut walk = deciding();
        walk.tick_for(297_000);
        walk.answer_rollback();
        shoot_beside(&mut rolled_back(), "rolled_back_hold_limit", &mut walk);
    }

    #[test]
    fn rolled_back_with_nobody_to_ask() {
        let mut walk = deciding();
        walk.report(Body::SessionEnded(ServerMessage::default()));
        let unreachable = Inquiry::Unreachable("connection refused".into());
        walk.report(Body::Asked(unreachable));
        shoot("rolled_back_with_nobody_to_ask", &mut walk);
        let shown = walk.text((80, 24), Glyphs::Unicode);
        for claim in ["no lock is held", "no transaction is open"] {
            assert!(!shown.contains(claim), "{shown}");
        }
        assert!(shown.contains("its locks may still be held"), "{shown}");
    }

    #[test]
    fn link_lost() {
        let mut walk = link_cut();
        shoot("inquiring", &mut walk);
        walk.report(Body::Asked(Inquiry::Answered {
            status: XactStatus::InProgress,
            server: "system 7301, timeline 1".into(),
        }));
        shoot_beside(&mut link_cut(), "inquiring_still_open", &mut walk);
        walk.press("e");
        walk.report(Body::Asked(Inquiry::Unreachable(
            "connection to db1:5432 refused, tried for 30 s".into(),
        )));
        shoot("unknown", &mut walk);
        walk.press("o");
        walk.report(Body::Asked(Inquiry::Answered {
            status: XactStatus::Committed,
            server: "system 7301, timeline 1".into(),
        }));
        walk.post_verified(true);
        shoot_beside(&mut committed(), "committed_asked", &mut walk);
    }
}

mod behaviour {
    //! What keys do, and what they do not.
    use crate::stage::*;
    use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
    use proptest::prelude::*;
    use ratatui::style::{Color, Modifier};
    use stagegate::account::EarlierTold;
    use stagegate::acts::{self, Does, Front, KeyPlace};
    use stagegate::facts::Reach;
    use stagegate::gate::event::{Body, CommitAnswer, Document};
    use stagegate::gate::phase::{Phase, Prompt};
    use stagegate::gate::{Command, Event};
    use stagegate::runbook::check::{Check, Verdict};
    use stagegate::runbook::{ChecklistItem, ItemKind};
    use stagegate::tui::input::Burst;
    use stagegate::tui::{Glyphs, Palette};

    fn at_name(walk: &Walk) -> bool {
        matches!(
            walk.machine.phase(),
            Phase::Deciding {
                prompt: Prompt::Name,
                ..
            }
        )
    }

    #[test]
    fn fail_rows_stand_out_without_colour() {
        let mut walk = failing();
        walk.palette = Palette::Mono;
        let buffer = walk.buffer((80, 24), Glyphs::Ascii);
        let (x, y) = find(&buffer, "FAIL ").expect("FAIL is on the screen");
        let style = buffer[(x, y)].style();
        assert!(
            style
                .add_modifier
                .contains(Modifier::REVERSED | Modifier::BOLD)
        );
        for cell in buffer.content() {
            assert!(matches!(cell.fg, Color::Reset), "a colour without colour");
            assert!(matches!(cell.bg, Color::Reset), "a colour without colour");
        }
    }

    #[test]
    fn fail_comes_before_pass_and_is_counted() {
        let mut walk = failing();
        walk.press("Tab");
        let text = walk.text((80, 24), Glyphs::Unicode);
        let counted = text
            .find("1 FAIL of 8 checks")
            .expect("counted in the title");
        let fail = text.find("FAIL  packet_decision").expect("the row");
        let pass = text.find("PASS").expect("the others");
        assert!(counted < fail && fail < pass, "{text}");
    }

    #[test]
    fn the_open_transaction_is_a_band_of_its_own() {
        let mut walk = deciding();
        let buffer = walk.buffer((80, 24), Glyphs::Unicode);
        let (x, y) = find(&buffer, "TRANSACTION OPEN").expect("said");
        assert_eq!(buffer[(x, y)].bg, Color::Yellow);
        assert_eq!(buffer[(79, y)].bg, Color::Yellow);
        walk.palette = Palette::Mono;
        let buffer = walk.buffer((80, 24), Glyphs::Unicode);
        assert!(buffer[(79, y)].modifier.contains(Modifier::REVERSED));
    }

    /// The first line of the screen.
    fn header(walk: &mut Walk, columns: u16, glyphs: Glyphs) -> String {
        let text = walk.text((columns, 24), glyphs);
        text.lines().next().unwrap().trim_end().to_owned()
    }

    #[test]
    fn the_header_says_where_we_are_and_never_cuts_the_database() {
        let mut walk = deciding();
        let target = walk.account.target.as_mut().unwrap();
        target.host = "/var/lib/a/very/long/folder/of/sockets/that/fills/the/line".into();
        target.tls = None;
        target.reach = Reach::Socket;
        target.database = "wiser_ops_production_of_the_east".into();
        for columns in [80, 200] {
            for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
                let line = header(&mut walk, columns, glyphs);
                let dot = if glyphs == Glyphs::Unicode { "·" } else { "|" };
                // Before the folder, and the folder's end is what is kept of it.
                let begin = format!("@wiser_ops_production_of_the_east {dot} socket ");
                assert!(line.contains(&begin), "{line}");
                let end = format!("line:5432 {dot} primary");
                assert!(line.contains(&end), "{line}");
                assert!(line.contains(" mig"), "{line}");
            }
        }
        assert!(header(&mut walk, 200, Glyphs::Unicode).contains("/var/lib/a/very/long"));
        // It stands out of its line without colours, too.
        walk.palette = Palette::Mono;
        let buffer = walk.buffer((80, 24), Glyphs::Unicode);
        let (x, y) = find(&buffer, "wiser_ops_production").expect("said");
        assert!(buffer[(x, y)].modifier.contains(Modifier::REVERSED));
        assert!(!buffer[(x - 1, y)].modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn the_header_says_plaintext_and_standby() {
        let mut walk = deciding();
        let target = walk.account.target.as_mut().unwrap();
        target.tls = None;
        target.in_recovery = true;
        for (reach, colour) in [
            (Reach::Network, Color::Red),
            (Reach::ThisMachine, Color::Yellow),
        ] {
            walk.account.target.as_mut().unwrap().reach = reach;
            let line = header(&mut walk, 80, Glyphs::Unicode);
            assert!(line.contains("/wiser_ops · plaintext · standby"), "{line}");
            let buffer = walk.buffer((80, 24), Glyphs::Unicode);
            let (x, y) = find(&buffer, "plaintext").expect("said");
            assert_eq!(buffer[(x, y)].fg, colour);
        }
    }

    #[test]
    fn the_name_is_typed_and_enter_sends_it() {
        let mut walk = deciding();
        walk.press("c");
        assert!(at_name(&walk));
        let events = walk.screen.key(plain('w'), &walk.machine, &walk.account);
        assert_eq!(events, [Event::Edited]);
        walk.press("Backspace");
        walk.type_text("wiser_ops");
        let events = walk.press("Enter");
        assert_eq!(
            events,
            [
                Event::Asked(Command::NameTyped("wiser_ops".into())),
                Event::Edited
            ]
        );
        assert!(matches!(walk.machine.phase(), Phase::Committing { .. }));
    }

    #[test]
    fn a_wrong_name_is_refused_in_words_and_emptied() {
        let mut walk = deciding();
        walk.press("c");
        walk.type_text("wiser_prod");
        walk.press("Enter");
        assert!(at_name(&walk));
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(
            text.contains("That is not the name that is asked for"),
            "{text}"
        );
        assert!(!text.contains("wiser_prod"), "{text}");
        walk.press("Esc");
        walk.press("c");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("> █"), "{text}");
    }

    #[test]
    fn nobody_watching_over_the_hold_is_said_at_the_gate() {
        let mut walk = deciding();
        let words = "nobody beside this program ends it";
        assert!(!walk.text((80, 24), Glyphs::Unicode).contains(words));
        let missing = Some(Box::default());
        walk.report(Body::Guard { missing });
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains(words), "{text}");
        walk.report(Body::Guard { missing: None });
        assert!(!walk.text((80, 24), Glyphs::Unicode).contains(words));
    }

    #[test]
    fn a_link_that_this_program_closed_is_not_said_to_be_lost() {
        let mut walk = committing();
        walk.report(Body::CommitAnswered(CommitAnswer::Refused {
            error: Box::default(),
            xact_status: None,
        }));
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("this program closed it"), "{text}");
        assert!(!text.contains("link was lost"), "{text}");
    }

    #[test]
    fn pasted_text_never_acts_at_the_gate() {
        let mut walk = deciding();
        assert_eq!(walk.screen.paste("c", &walk.machine), []);
        walk.press("c");
        assert_eq!(walk.screen.paste("wiser_ops\n", &walk.machine), []);
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("Pasted text was refused"), "{text}");
        walk.press("Enter");
        assert!(at_name(&walk), "an empty name is not the name");
    }

    #[test]
    fn a_reference_may_be_pasted_without_its_control_characters() {
        let mut walk = checklist();
        walk.press("Space");
        let events = walk.screen.paste("ticket\x1b[2J 4711\n", &walk.machine);
        assert_eq!(events, [Event::Edited]);
        walk.show();
        let events = walk.press("Enter");
        assert_eq!(
            events,
            [Event::Asked(Command::SignOff {
                item: 0,
                note: Some("ticket[2J 4711".into())
            })]
        );
        assert!(walk.machine.items()[0].signed);
    }

    #[test]
    fn a_burst_empties_what_was_typed_and_says_so() {
        let mut walk = deciding();
        walk.press("c");
        walk.type_text("wiser_ops");
        let machine = walk.machine.clone();
        assert!(walk.screen.burst(&burst("wiser_ops", 9), &machine) == [Event::Edited]);
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("faster than a person types"), "{text}");
        walk.press("Enter");
        assert!(at_name(&walk));
    }

    fn burst(text: &str, run: usize) -> Burst {
        Burst {
            text: text.into(),
            letters_only: true,
            run,
        }
    }

    #[test]
    fn keys_that_a_slow_link_held_up_go_on_with_a_name_and_enter_is_still_to_be_pressed() {
        let mut walk = deciding();
        walk.screen.set_brackets(true);
        walk.press("c");
        walk.type_text("wis");
        let machine = walk.machine.clone();
        walk.screen.burst(&burst("er_o", 4), &machine);
        walk.show();
        walk.type_text("ps");
        assert!(at_name(&walk));
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("> wiser_ops"), "{text}");
        walk.press("Enter");
        assert!(matches!(walk.machine.phase(), Phase::Committing { .. }));
    }

    #[test]
    fn a_name_of_which_a_part_was_refused_is_empty_and_stays_so_until_somebody_empties_it() {
        for (brackets, letters, run) in [(false, "er_o", 4), (true, "er_ops_", 7)] {
            let mut walk = deciding();
            walk.screen.set_brackets(brackets);
            walk.press("c");
            walk.type_text("wis");
            let machine = walk.machine.clone();
            walk.screen.burst(&burst(letters, run), &machine);
            walk.show();
            // What goes on as if nothing had happened is not the end of a name.
            walk.type_text("ps");
            let text = walk.text((80, 24), Glyphs::Unicode);
            assert!(text.contains("Emptied: keys came all at once"), "{text}");
            assert!(!text.contains("> ps"), "{text}");
            walk.press("Enter");
            assert!(at_name(&walk));
            let text = walk.text((80, 24), Glyphs::Unicode);
            assert!(text.contains("> █"), "{text}");
            walk.type_text("wiser_ops");
            walk.press("Enter");
            assert!(matches!(walk.machine.phase(), Phase::Committing { .. }));
        }
    }

    #[test]
    fn a_name_has_a_cursor_and_no_history() {
        let mut walk = deciding();
        walk.press("c");
        walk.type_text("wser_ops");
        walk.press("Home");
        walk.press("Right");
        walk.type_text("i");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("> wiser_ops"), "{text}");
        walk.press("Esc");
        walk.press("c");
        walk.press("Up");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("> █"), "{text}");
    }

    #[test]
    fn a_burst_is_text_where_text_is_asked_for_and_enter_is_still_to_be_pressed() {
        let mut walk = checklist();
        walk.press("Space");
        let machine = walk.machine.clone();
        walk.screen.burst(&burst("ticket 4711", 11), &machine);
        assert!(!walk.machine.items()[0].signed);
        walk.press("Enter");
        assert!(walk.machine.items()[0].signed);
    }

    #[test]
    fn space_signs_one_item_however_long_it_is_held() {
        let mut walk = checklist();
        for _ in 0..3 {
            walk.press("Down");
        }
        for _ in 0..20 {
            walk.press("Space");
        }
        let signed = walk.machine.items().iter().filter(|i| i.signed).count();
        assert_eq!(signed, 1);
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("This is the next item: look at it"), "{text}");
        // As long as it is held, and a key that repeats comes again in less than a second.
        for _ in 0..20 {
            walk.tick(900);
            walk.press("Space");
        }
        let signed = walk.machine.items().iter().filter(|i| i.signed).count();
        assert_eq!(signed, 1);
    }

    #[test]
    fn after_a_sign_off_the_cursor_is_on_the_next_item_that_is_open() {
        let mut walk = checklist();
        let at = |walk: &mut Walk| {
            let text = walk.text((80, 24), Glyphs::Unicode);
            let here = text.lines().find(|line| line.starts_with(" ▸ ")).unwrap();
            here.chars().nth(3).unwrap()
        };
        for _ in 0..3 {
            walk.press("Down");
        }
        walk.press("Space");
        assert!(walk.machine.items()[3].signed);
        assert_eq!(at(&mut walk), '5');
        // From the last one to the first that is open.
        walk.press("Enter");
        for _ in 0..3 {
            for _ in 0..40 {
                walk.press("Space");
            }
            walk.press("Tab");
        }
        walk.press("Esc");
        walk.tick(1_000);
        walk.press("Space");
        assert!(
            walk.machine.items()[4].signed,
            "{}",
            walk.text((80, 24), Glyphs::Unicode)
        );
        assert_eq!(at(&mut walk), '1');
        // One that is signed is passed over, and what falls takes no cursor along.
        walk.tick(1_000);
        walk.press("Space");
        walk.type_text("ticket 4711");
        walk.press("Enter");
        assert_eq!(at(&mut walk), '2');
        walk.press("g");
        walk.press("u");
        assert_eq!(at(&mut walk), '1');
    }

    #[test]
    fn enter_goes_to_what_an_item_waits_for_and_escape_comes_back() {
        let mut walk = checklist();
        walk.press("Enter");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("REFERENCE"), "{text}");
        walk.press("Esc");
        walk.press("Down");
        walk.press("Enter");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("[script]"), "{text}");
        for _ in 0..40 {
            walk.press("Space");
        }
        walk.press("Esc");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("▸ 2   open"), "{text}");
        // Its finding is what it waits for now.
        walk.press("Enter");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("line 14, 12-24 of 41"), "{text}");
        let said = " Finding 1 of 1: Esc goes back, and f acknowledges it there.";
        assert!(text.contains(said), "{text}");
        walk.press("f");
        let text = walk.text((80, 24), Glyphs::Unicode);
        let said = " Esc goes back to the checklist; f acknowledges the finding there.";
        assert!(text.contains(said), "{text}");
        walk.press("Esc");
        walk.press("f");
        walk.press("Enter");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("EVIDENCE"), "{text}");
        walk.press("Esc");
        walk.press("Down");
        walk.press("Enter");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("DATABASE NAME"), "{text}");
        walk.press("Esc");
        walk.press("G");
        walk.press("Enter");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("[rollback 1]"), "{text}");
    }

    /// What stands below the word on whether the gate is armed, left of the pane beside it, as one text.
    fn said_of_the_keys(walk: &mut Walk, size: (u16, u16)) -> String {
        let text = walk.text(size, Glyphs::Unicode);
        let lines = text.lines().skip_while(|line| !line.contains("ARMED"));
        let words = lines.flat_map(|line| line.split("│").next().unwrap_or("").split(' '));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join(" ")
    }

    #[test]
    fn what_is_said_of_the_keys_of_the_decision_is_never_cut() {
        for size in [(79, 20), (80, 24), (120, 40), (160, 45), (200, 50)] {
            let mut walk = deciding_at_leisure();
            let said = said_of_the_keys(&mut walk, size);
            let keys =
                "t take time rolls back now, to review with nothing held; c runs it again : query";
            assert!(said.contains(keys), "{size:?}: {said}");
            walk.sight(sight_with("packet-api"));
            let said = said_of_the_keys(&mut walk, size);
            let keys = "t take time RECOMMENDED: 4 sessions wait, up to 0:12; \
                        this lets them go on : query";
            assert!(said.contains(keys), "{size:?}: {said}");
        }
    }

    #[test]
    fn a_run_without_an_outcome_is_told_above_the_checklist() {
        let told = "Your run of 2026-11-28 14:03 UTC has NO OUTCOME";
        for size in [(79, 20), (80, 24), (200, 50)] {
            let mut walk = checklist();
            walk.account.earlier = Some(EarlierTold {
                told: told.to_owned(),
                item: 3,
            });
            let first = |text: &str| {
                let first = text.lines().nth(3).unwrap_or_default();
                let first = first.split(" │ ").next().unwrap_or_default();
                first.trim().to_owned()
            };
            let text = walk.text(size, Glyphs::Unicode);
            assert_eq!(first(&text), format!("{told}: see item 3"));
            assert!(!text.contains("o outcome"), "{text}");
            walk.feed(Event::LeftOpen(true));
            let text = walk.text(size, Glyphs::Unicode);
            assert_eq!(first(&text), format!("{told}: o asks the server (item 3)"));
            assert!(text.contains("o outcome"), "{text}");
            assert!(text.contains("CHECKLIST  0 of 5 signed"), "{text}");
            for number in 1..=5 {
                assert!(
                    text.contains(&format!(" {number}   open ")),
                    "{number} in {text}"
                );
            }
        }
    }

    #[test]
    fn a_script_that_fits_the_screen_sideways_says_how_it_is_read_on() {
        let mut walk = checklist();
        walk.press("s");
        let text = walk.text((160, 24), Glyphs::Unicode);
        let said = " lines were not on the screen yet: Space reads on, ] next section, n finding";
        assert!(text.contains(said), "{text}");
        for _ in 0..10 {
            walk.press("Space");
            walk.show();
        }
        let text = walk.text((160, 24), Glyphs::Unicode);
        assert!(!text.contains("Space reads on"), "{text}");
    }

    #[test]
    fn repeats_and_releases_never_act() {
        let mut walk = deciding();
        for kind in [KeyEventKind::Repeat, KeyEventKind::Release] {
            for code in ['c', 'r', '+', 'q'].map(KeyCode::Char) {
                let key = KeyEvent::new_with_kind(code, KeyModifiers::NONE, kind);
                assert_eq!(walk.screen.key(key, &walk.machine, &walk.account), []);
            }
        }
    }

    #[test]
    fn control_c_is_q_and_control_z_is_refused() {
        let mut walk = deciding();
        let key = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        for place in ["", "c", "Esc", "s"] {
            if !place.is_empty() {
                walk.press(place);
            }
            let events = walk.screen.key(key('c'), &walk.machine, &walk.account);
            assert_eq!(events, [Event::Asked(Command::Quit)]);
            assert_eq!(walk.screen.key(key('z'), &walk.machine, &walk.account), []);
            let text = walk.text((80, 24), Glyphs::Unicode);
            assert!(text.contains("Suspending is refused"), "{text}");
        }
    }

    #[test]
    fn the_script_is_read_when_its_end_was_seen() {
        let mut walk = checklist();
        walk.press("Down");
        walk.press("Space");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("Read it to its end first"), "{text}");
        walk.press("s");
        assert_eq!(walk.machine.items()[1].unread, [Document::Script]);
        // Its end alone is no reading.
        walk.press("G");
        assert_eq!(walk.machine.items()[1].unread, [Document::Script]);
        walk.press("g");
        assert_eq!(walk.machine.items()[1].unread, [Document::Script]);
        for _ in 0..40 {
            walk.press("PageDown");
        }
        // Two of its lines go on to the right.
        assert_eq!(walk.machine.items()[1].unread, [Document::Script]);
        walk.press("g");
        for _ in 0..12 {
            walk.press("Space");
        }
        assert_eq!(walk.machine.items()[1].unread, []);
        walk.press("q");
        walk.press("Space");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("1 finding is not acknowledged yet"), "{text}");
        walk.press("f");
        walk.press("Space");
        assert!(walk.machine.items()[1].signed);
    }

    /// A walk whose script is `text`, at the script, before it is on the screen for the first time.
    fn reading(text: &str) -> Walk {
        let mut runbook = runbook();
        runbook.script.sources[0].text = text.to_owned().into();
        let mut walk = Walk::new(runbook);
        walk.connect();
        walk.evidence(|_, _| {});
        let event = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::NONE);
        walk.screen.key(event, &walk.machine, &walk.account);
        walk
    }

    #[test]
    fn what_is_cut_at_the_right_is_read_once_it_was_moved_into_sight() {
        let text = format!("SELECT '{}last';\n", "a long way to go ".repeat(20));
        let mut walk = reading(&text);
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("line 1 of 1, 1 unseen (1 in part)"), "{text}");
        assert!(text.contains("SELECT 'a long way to go a long w"), "{text}");
        assert!(text.contains(" › 1 line goes on to the right: "), "{text}");
        assert!(!text.contains("last"), "{text}");
        for _ in 0..3 {
            walk.press("Right");
            assert_eq!(walk.machine.items()[1].unread, [Document::Script]);
        }
        for _ in 0..8 {
            walk.press("Right");
        }
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("last';"), "{text}");
        assert_eq!(walk.machine.items()[1].unread, []);
        // Another script begins at its left edge, and where nothing goes on, Right is the next one.
        walk.press("Tab");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(
            text.contains("[rollback 1]") && !text.contains("‹"),
            "{text}"
        );
        walk.press("Right");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("[rollback 2]"), "{text}");
        walk.press("Left");
        walk.press("Left");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("SELECT 'a long way"), "{text}");
    }

    #[test]
    fn space_reads_on_until_every_part_was_on_the_screen() {
        let long = "a long way to go ".repeat(20);
        let one = |n: usize| match n % 7 {
            3 => format!("SELECT {n}, '{long}last{n}';\n"),
            _ => format!("SELECT {n};\n"),
        };
        let text: String = (1..=60).map(one).collect();
        let mut walk = reading(&text);
        let mut seen = String::new();
        let mut presses = 0;
        walk.show();
        while !walk.machine.items()[1].unread.is_empty() {
            seen.push_str(&walk.text((80, 24), Glyphs::Unicode));
            walk.press("Space");
            presses += 1;
            let text = walk.text((80, 24), Glyphs::Unicode);
            assert!(presses < 60, "{text}");
        }
        seen.push_str(&walk.text((80, 24), Glyphs::Unicode));
        for n in 1..=60 {
            assert!(seen.contains(&format!("SELECT {n}")), "{n}");
            assert!(n % 7 != 3 || seen.contains(&format!("last{n}';")), "{n}");
        }
        walk.press("Space");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(
            text.contains("every line of it was on the screen"),
            "{text}"
        );
    }

    #[test]
    fn what_was_passed_over_is_where_space_leads_from_the_end() {
        let text = "SELECT 1;\n".repeat(100);
        let mut walk = reading(&text);
        walk.text((80, 24), Glyphs::Unicode);
        walk.press("G");
        walk.press("Space");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("lines 15-30 of 100"), "{text}");
    }

    #[test]
    fn what_stands_far_to_the_right_behind_blanks_is_said_below_its_line() {
        let far = format!("SELECT 1;{}DROP TABLE audit;\n", " ".repeat(200));
        let mut walk = reading(&format!("SELECT 0;\n{far}SELECT 2;\n"));
        let text = walk.text((80, 24), Glyphs::Unicode);
        let said = "FAR TO THE RIGHT, behind 200 blanks: DROP TABLE audit;";
        assert!(text.contains(&format!("▲2  {said}")), "{text}");
        for _ in 0..20 {
            walk.press("PageDown");
        }
        assert_eq!(walk.machine.items()[1].unread, [Document::Script]);
        walk.press("n");
        for _ in 0..4 {
            walk.press("Right");
        }
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("‹"), "{text}");
        assert!(
            text.lines()
                .any(|line| line.ends_with("DROP TABLE audit;") && !line.contains("FAR")),
            "{text}"
        );
        assert_eq!(walk.machine.items()[1].unread, []);
        // Indented code and a comment at the end of a long line are nothing of the kind.
        let deep = format!("{}SELECT 1;\n", " ".repeat(60));
        let wide = format!(
            "    name {}text, -- {}\n",
            " ".repeat(28),
            "why ".repeat(20)
        );
        let mut walk = reading(&format!("{deep}{wide}"));
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(!text.contains("FAR"), "{text}");
    }

    #[test]
    fn eighty_columns_of_sql_fit_eighty_columns() {
        let wide = format!("-- {}end\n", "x".repeat(74));
        assert_eq!(wide.trim_end().len(), 80);
        let text = format!("{}{wide}", "SELECT 1;\n".repeat(30));
        let mut walk = reading(&text);
        walk.text((80, 24), Glyphs::Unicode);
        walk.press("G");
        let shown = walk.text((80, 24), Glyphs::Unicode);
        assert!(shown.contains(&format!("\n{wide}")), "{shown}");
        assert!(!shown.contains("goes on to the right"), "{shown}");
        assert!(shown.contains("lines 16-31 of 31, "), "{shown}");
        // Beside numbers it would not: with them it is there as well, in two rows.
        walk.press("w");
        walk.press("G");
        let shown = walk.text((80, 24), Glyphs::Unicode);
        assert!(shown.contains("\n 31 -- xxx"), "{shown}");
        // Where eighty columns have room beside numbers they stand there, whatever else is longer.
        for (size, text) in [
            ((85, 24), format!("{text}{}\n", "y".repeat(300))),
            ((80, 24), "SELECT 1;\n".repeat(30)),
        ] {
            let mut walk = reading(&text);
            let shown = walk.text(size, Glyphs::Unicode);
            assert!(shown.contains("\n  1 SELECT 1;"), "{shown}");
        }
    }

    #[test]
    fn no_script_can_look_like_what_the_program_says_of_it() {
        let wide = runbook().script.sources[0].text.to_string() + &"-- wide ".repeat(12);
        let mut walk = reading(&wide);
        walk.palette = Palette::Mono;
        let buffer = walk.buffer((80, 24), Glyphs::Unicode);
        let (_, y) = find(&buffer, "taken over by the gate").unwrap();
        let reversed = |x: u16, y: u16| buffer[(x, y)].modifier.contains(Modifier::REVERSED);
        assert!(reversed(0, y), "{}", text(&buffer));
        let (x, y) = find(&buffer, "BEGIN;").unwrap();
        assert!(!reversed(x, y));
    }

    #[test]
    fn what_is_found_far_to_the_right_is_moved_into_sight() {
        let text = format!(
            "SELECT '{}Needle', '{}';\n",
            "é ".repeat(150),
            "x".repeat(200)
        );
        let mut walk = reading(&text);
        walk.text((80, 24), Glyphs::Unicode);
        walk.press("/");
        walk.type_text("needle");
        walk.press("Enter");
        let shown = walk.text((80, 24), Glyphs::Unicode);
        assert!(shown.contains("é Needle', 'xxx"), "{shown}");
        walk.press("/");
        walk.type_text("select");
        walk.press("Enter");
        let shown = walk.text((80, 24), Glyphs::Unicode);
        assert!(shown.contains("SELECT 'é é"), "{shown}");
    }

    #[test]
    fn another_width_leaves_the_same_line_on_top_and_the_found_one_found() {
        let long = "word ".repeat(40);
        let lines = (1..=90).map(|line| format!("-- line {line} {long}\n"));
        let mut walk = reading(&format!("{}SELECT 1;\n", lines.collect::<String>()));
        walk.text((80, 24), Glyphs::Unicode);
        walk.press("w");
        walk.text((80, 24), Glyphs::Unicode);
        walk.press("/");
        walk.type_text("line 61 ");
        walk.press("Enter");
        let place = |walk: &mut Walk, size| {
            let text = walk.text(size, Glyphs::Unicode);
            let place = text.lines().find(|line| line.contains(" of 91")).unwrap();
            let (found, shown) = place.split_once("line 61, ").expect(place);
            assert!(found.contains(".sql"), "{place}");
            shown.split('-').next().unwrap().to_owned()
        };
        let top = place(&mut walk, (80, 24));
        assert_eq!(place(&mut walk, (200, 50)), top);
        assert_eq!(place(&mut walk, (80, 24)), top);
    }

    #[test]
    fn keys_go_from_finding_to_finding_and_from_section_to_section() {
        let mut walk = checklist();
        walk.press("s");
        walk.press("n");
        let text = walk.text((80, 15 + 8), Glyphs::Unicode);
        assert!(
            text.contains("▲14  require-concurrent-index-creation"),
            "{text}"
        );
        let top = |walk: &mut Walk| {
            let text = walk.text((80, 24), Glyphs::Unicode);
            text.lines().nth(5).unwrap().trim().to_owned()
        };
        walk.press("g");
        for (key, section) in [
            ("]", "-- Stage 1 UTN workflow"),
            ("]", "-- Migration 011"),
            ("]", "-- Migration 012"),
            ("[", "-- Migration 011"),
            ("[", "-- Stage 1 UTN workflow"),
        ] {
            walk.press(key);
            let top = top(&mut walk);
            assert!(top.contains(section), "{key}: {top}");
        }
        walk.press("[");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("No section begins further up."), "{text}");
    }

    #[test]
    fn a_reading_is_recorded_with_what_was_on_the_screen() {
        let mut walk = checklist();
        walk.press("s");
        walk.tick(4_000);
        walk.press("G");
        walk.tick(2_000);
        let event = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
        walk.screen.key(event, &walk.machine, &walk.account);
        walk.buffer((80, 24), Glyphs::Unicode);
        let perused = walk
            .screen
            .take_events()
            .into_iter()
            .find_map(|event| match event {
                Event::Perused {
                    document, perusal, ..
                } => Some((document, perusal)),
                _ => None,
            });
        let (document, perusal) = perused.unwrap();
        assert_eq!(
            (document, perusal.milliseconds, perusal.lines),
            (Document::Script, 6_000, 41)
        );
        assert!((20..41).contains(&perusal.shown), "{perusal:?}");
        assert_eq!(perusal.seen, perusal.shown);
    }

    #[test]
    fn sql_is_coloured_and_without_colour_keywords_are_bold() {
        let mut walk = checklist();
        walk.press("s");
        let buffer = walk.buffer((80, 24), Glyphs::Unicode);
        let (x, y) = find(&buffer, "ALTER TABLE").unwrap();
        assert_eq!(buffer[(x, y)].fg, Color::Blue);
        let (x, y) = find(&buffer, "integration_inbox").unwrap();
        assert_eq!(buffer[(x, y)].fg, Color::Reset);
        walk.palette = Palette::Mono;
        let buffer = walk.buffer((80, 24), Glyphs::Unicode);
        let (x, y) = find(&buffer, "ALTER TABLE").unwrap();
        assert!(buffer[(x, y)].modifier.contains(Modifier::BOLD));
    }

    #[test]
    fn a_refused_key_says_why() {
        let mut walk = checklist();
        walk.press("a");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("5 items are not signed yet"), "{text}");
        assert!(text.contains("(a apply)"), "{text}");
        walk.press("c");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("That key does nothing here"), "{text}");
        let mut walk = deciding();
        walk.press("q");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(
            text.contains("The transaction is open: r rolls back"),
            "{text}"
        );
    }

    #[test]
    fn below_the_least_size_commit_waits_and_rollback_works() {
        let mut walk = deciding();
        let text = walk.text((60, 15), Glyphs::Unicode);
        for said in [
            "needs 80×24, has 60×15",
            "TRANSACTION OPEN",
            "rolls back by itself in",
        ] {
            assert!(text.contains(said), "{text}");
        }
        assert_eq!(
            walk.screen.key(plain('c'), &walk.machine, &walk.account),
            []
        );
        let text = walk.text((60, 15), Glyphs::Unicode);
        assert!(text.contains("COMMIT needs a screen of 80×24"), "{text}");
        let events = walk.screen.key(plain('r'), &walk.machine, &walk.account);
        assert_eq!(events, [Event::Asked(Command::AskRollback)]);
        walk.feed_all(events);
        walk.text((60, 15), Glyphs::Unicode);
        walk.feed(Event::Drawn);
        let events = walk.screen.key(plain('y'), &walk.machine, &walk.account);
        assert_eq!(events, [Event::Asked(Command::ConfirmRollback)]);
    }

    #[test]
    fn a_name_half_typed_is_not_sent_from_a_small_screen() {
        let mut walk = deciding();
        walk.press("c");
        walk.type_text("wiser_ops");
        walk.text((78, 24), Glyphs::Unicode);
        let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(walk.screen.key(enter, &walk.machine, &walk.account), []);
    }

    #[test]
    fn half_a_screen_and_what_tmux_leaves_of_24_rows_are_enough_to_decide() {
        for size in [(80, 23), (79, 24), (80, 20), (79, 20)] {
            let mut walk = deciding();
            let text = walk.text(size, Glyphs::Unicode);
            assert!(!text.contains("needs 80"), "{text}");
            for said in ["c  COMMIT", "r  ROLLBACK", "8 PASS, 0 WARN", "Target"] {
                assert!(text.contains(said), "{said}: {text}");
            }
            walk.press("c");
            let text = walk.text(size, Glyphs::Unicode);
            assert!(text.contains("Type the name of the database"), "{text}");
        }
    }

    #[test]
    fn from_120_columns_on_what_a_decision_rests_on_stands_beside_it() {
        let row_with = |text: &str, left: &str, right: &str| {
            text.lines()
                .any(|line| line.contains(left) && line.contains(right))
        };
        for (size, wide) in [((120, 30), true), ((119, 24), false)] {
            let text = deciding().text(size, Glyphs::Unicode);
            let beside = text
                .lines()
                .any(|line| line.find("│").is_some_and(|at| line[at..].contains("PASS")));
            assert_eq!(beside, wide, "{text}");
            let text = checklist().text(size, Glyphs::Unicode);
            assert_eq!(row_with(&text, "CHECKLIST", " 1 "), wide, "{text}");
            let text = applying().text(size, Glyphs::Unicode);
            assert_eq!(text.contains("│  STATEMENT "), wide, "{text}");
            assert_eq!(text.contains("│  LOCKS HELD"), wide, "{text}");
        }
    }

    #[test]
    fn a_long_checklist_keeps_its_heading_and_the_item_under_the_cursor_in_sight() {
        let mut runbook = runbook();
        for (id, title) in [
            ("desk", "The desk knows"),
            ("ticket", "The ticket is approved"),
        ] {
            let item = ChecklistItem::new(id, title, ItemKind::Attest);
            runbook.items.insert(4, item);
        }
        for item in &mut runbook.items {
            item.title
                .push_str(", as was agreed with everybody who has to know of it");
        }
        let titles: Vec<String> = runbook.items.iter().map(|i| i.title.clone()).collect();
        let mut walk = Walk::new(runbook);
        walk.connect();
        for size in [(80, 24), (80, 23)] {
            walk.press("g");
            for (index, title) in titles.iter().enumerate() {
                let text = walk.text(size, Glyphs::Unicode);
                assert!(text.contains("CHECKLIST  0 of 7 signed"), "{text}");
                for number in 1..=7 {
                    assert!(
                        text.contains(&format!(" {number}   open ")),
                        "{number} in {text}"
                    );
                }
                assert!(text.contains(&format!("▸ {}   open ", index + 1)), "{text}");
                let heading = format!(" {} {}", index + 1, &title[..20]);
                assert!(text.contains(&heading), "{heading} in {text}");
                walk.press("Down");
            }
        }
    }

    /// The line that `s` opens the script at: the one that stands out.
    fn opened_at(walk: &mut Walk) -> String {
        walk.press("s");
        let buffer = walk.buffer((80, 24), Glyphs::Unicode);
        let rows = (0..24).filter(|y| {
            let cell = &buffer[(10, *y)];
            *y > 3 && cell.modifier.contains(ratatui::style::Modifier::REVERSED)
        });
        let rows: Vec<u16> = rows.collect();
        walk.press("s");
        let text = text(&buffer);
        let lines: Vec<&str> = text.lines().collect();
        // The scroll bar stands in the last column.
        let bar = [' ', '█', '│', '▲', '▼'];
        let marked = rows.iter().map(|y| {
            let line = lines[usize::from(*y)].trim_end_matches(bar);
            // Its number is said where none stands beside it.
            let said = lines[4].split_once("  line ");
            let number = said.and_then(|(_, said)| said.split_once(','));
            let (number, _) = number.unwrap_or_else(|| panic!("{text}"));
            format!("{number} {line}")
        });
        marked.collect::<Vec<_>>().join(" / ")
    }

    #[test]
    fn the_gate_says_which_results_are_called_data() {
        let mut book = runbook();
        book.script.statements[11].is_data = true;
        let mut walk = Walk::new(book);
        walk.apply();
        walk.settle();
        let text = walk.text((119, 40), Glyphs::Unicode);
        let said = "the rows of statement 11 are called data and count as no check";
        assert!(text.contains(said), "{text}");
    }

    #[test]
    fn a_transaction_that_failed_is_not_called_open() {
        for (mut walk, word) in [
            (error(), "TRANSACTION FAILED"),
            (failing(), "TRANSACTION OPEN"),
        ] {
            for keys in [&[][..], &["r"], &["y"]] {
                keys.iter().for_each(|key| {
                    walk.press(key);
                });
                let text = walk.text((80, 24), Glyphs::Unicode);
                let band = text.lines().nth(2).unwrap();
                assert!(band.trim().starts_with(word), "{band}");
            }
            let text = walk.text((80, 24), Glyphs::Unicode);
            assert!(text.contains("ROLLBACK is under way"), "{text}");
        }
    }

    #[test]
    fn the_script_is_opened_where_what_failed_stands() {
        // Where the server points at, in the middle of the statement.
        let mut walk = error();
        let pointed = "15     ON service_ops.integration_inbox (message_id);";
        assert_eq!(opened_at(&mut walk), pointed);
        // The second of them as it is left by then.
        walk.press("s");
        walk.press("g");
        walk.press("s");
        assert!(opened_at(&mut walk).starts_with("15"));
        // The statement whose check says FAIL.
        let mut walk = failing();
        let line = runbook().script.statements[12].line.to_string();
        assert!(opened_at(&mut walk).starts_with(&line), "{line}");
        // The one under the cursor, while all is well.
        let mut walk = deciding();
        assert_eq!(opened_at(&mut walk), "");
        for key in ["Tab", "Tab", "g", "Down"] {
            walk.press(key);
        }
        let line = runbook().script.statements[2].line.to_string();
        assert!(opened_at(&mut walk).starts_with(&line), "{line}");
    }

    #[test]
    fn how_to_go_on_and_how_to_leave_stand_in_the_footer_of_80_columns() {
        let mut walk = Walk::rolling_back_by_choice(runbook());
        walk.connect();
        walk.evidence(|_, _| {});
        let text = walk.text((80, 24), Glyphs::Unicode);
        for key in [
            "Space sign",
            "d do without",
            "(a apply)",
            "b backup",
            "q quit",
            "i impact",
        ] {
            assert!(text.contains(key), "{key} in {text}");
        }
    }

    #[test]
    fn a_wrong_database_name_on_an_item_is_typed_again_in_the_same_box() {
        let mut walk = checklist();
        walk.press("Down");
        walk.press("Down");
        walk.press("Space");
        walk.type_text("wiser_dev");
        walk.press("Enter");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(
            text.contains("That is not the name that is asked for"),
            "{text}"
        );
        assert!(text.contains("DATABASE NAME"), "{text}");
        assert!(!text.contains("wiser_dev"), "{text}");
        walk.type_text("wiser_ops");
        walk.press("Enter");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(!text.contains("DATABASE NAME"), "{text}");
        assert!(walk.machine.items()[2].signed);
    }

    #[test]
    fn the_key_that_an_end_screen_names_leads_back() {
        let mut ended = 0;
        for mut walk in every_phase() {
            let text = walk.text((200, 50), Glyphs::Unicode);
            let words: Vec<&str> = text.split_whitespace().collect();
            let named = words.windows(4).find_map(|four| match four {
                [key, "goes", "back", "to"] => Some((*key).to_owned()),
                [_, key, "tries", "again."] => Some((*key).to_owned()),
                _ => None,
            });
            let Some(key) = named.filter(|_| matches!(walk.machine.phase(), Phase::Ended(_)))
            else {
                continue;
            };
            let sent = walk.press(&key);
            assert_eq!(sent, [Event::Asked(Command::Again)], "{key} in {text}");
            ended += 1;
        }
        assert!(ended >= 2, "{ended}");
    }

    #[test]
    fn what_was_seen_of_a_statement_is_not_shown_with_the_next_one() {
        let mut walk = applying();
        let text = walk.text((120, 40), Glyphs::Unicode);
        assert!(text.contains("1234 of 2000 blocks"), "{text}");
        walk.finish(7, 14, Vec::new());
        walk.start(8);
        let text = walk.text((120, 40), Glyphs::Unicode);
        assert!(!text.contains("1234 of 2000 blocks"), "{text}");
    }

    #[test]
    fn the_whole_evidence_is_not_cut_to_fit() {
        let mut walk = checklist();
        let detail = format!("{} to its end", "every column of its type ".repeat(4));
        let check = Check {
            name: "columns".into(),
            verdict: Verdict::Pass,
            detail,
        };
        walk.evidence(|_, evidence| evidence.checks = vec![check.clone(); 20]);
        for _ in 0..3 {
            walk.press("Down");
        }
        walk.press("Enter");
        walk.text((80, 24), Glyphs::Unicode);
        walk.press("G");
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("to its end"), "{text}");
    }

    #[test]
    fn rollback_is_asked_from_any_pane() {
        for cover in ["s", "l", "m", "?"] {
            let mut walk = deciding();
            walk.press(cover);
            walk.press("r");
            let text = walk.text((80, 24), Glyphs::Unicode);
            assert!(text.contains("yes, ROLLBACK"), "{text}");
            walk.press("y");
            assert!(matches!(walk.machine.phase(), Phase::RollingBack { .. }));
        }
    }

    #[test]
    fn commit_is_not_reached_from_a_pane_that_covers_the_gate() {
        for cover in ["s", "l", "m", "?"] {
            let mut walk = deciding();
            walk.press(cover);
            assert_eq!(walk.press("c"), []);
            assert!(!at_name(&walk));
        }
    }

    #[test]
    fn a_new_phase_uncovers_the_gate() {
        let mut walk = applied();
        walk.press("s");
        walk.settle();
        let text = walk.text((80, 24), Glyphs::Unicode);
        assert!(text.contains("DECIDE"), "{text}");
    }

    #[test]
    fn footer_and_help_show_what_the_table_says() {
        let mut walk = deciding();
        let text = walk.text((120, 40), Glyphs::Unicode);
        let foot: Vec<&str> = text.lines().rev().take(2).collect();
        let foot = foot.join("\n");
        // A run that cannot be decided with nothing held does not offer it.
        let offered =
            |binding: &&acts::Binding| binding.does != Does::Gate(stagegate::gate::Act::TakeTime);
        for binding in acts::at(KeyPlace::Gate).filter(offered) {
            assert!(foot.contains(binding.label), "{} in {foot}", binding.label);
        }
        walk.press("?");
        let text = walk.text((149, 200), Glyphs::Unicode);
        let text: Vec<&str> = text.split_whitespace().collect();
        let text = text.join(" ");
        // What holds only in `inspect` is told there.
        let here = acts::BINDINGS
            .iter()
            .filter(|binding| binding.place != KeyPlace::Inspect);
        for binding in here {
            let help = binding.help(Front::Keys);
            assert!(text.contains(&help), "{help} in the help");
        }
        assert!(acts::markdown().contains("| At the gate | `c` |"));
    }

    #[test]
    fn a_wide_screen_has_the_help_in_two_columns() {
        let mut walk = deciding();
        walk.press("?");
        let text = walk.text((160, 50), Glyphs::Unicode);
        let first = text
            .lines()
            .find(|line| line.contains("At the gate (here)"));
        let first = first.unwrap();
        assert!(first.contains("At the end"), "{text}");
        assert!(text.contains("Ctrl-Z "), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 160, "{line}");
        }
    }

    #[test]
    fn a_box_leaves_no_piece_of_a_scroll_bar_beside_it() {
        let mut walk = deciding();
        walk.press("c");
        for size in [(80, 20), (80, 24), (79, 20)] {
            let text = walk.text(size, Glyphs::Unicode);
            let beside = text.lines().filter(|line| line.trim_end().ends_with("││"));
            assert_eq!(beside.count(), 0, "{text}");
        }
    }

    #[test]
    fn every_offered_act_can_be_pressed_where_it_is_offered() {
        for walk in every_phase() {
            let place = KeyPlace::of(&walk.machine);
            let there = |act: &stagegate::gate::Act| walk.machine.offer(*act).is_there();
            for act in stagegate::gate::Act::ALL.into_iter().filter(there) {
                let bound = acts::at(place)
                    .chain(acts::at(KeyPlace::Everywhere).filter(|_| place.shares()))
                    .any(|binding| binding.does == Does::Gate(act));
                // At a prompt, + and q are not keys but characters, or stray ones.
                let typed = !place.shares();
                assert!(bound || typed, "{act:?} at {place:?}");
            }
        }
    }

    #[test]
    fn two_hundred_columns_are_used() {
        let mut walk = deciding();
        let text = walk.text((200, 50), Glyphs::Unicode);
        let line = text.lines().find(|line| line.contains("DECIDE")).unwrap();
        assert!(line.contains('│'), "two columns: {line}");
        assert!(text.contains("8 checks in the transaction"), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

        #[test]
        fn no_size_and_no_key_breaks_a_view(
            phase in 0usize..PHASES,
            sizes in prop::collection::vec((1u16..=130, 1u16..=45), 1..4),
            keys in "[ -~]{0,6}",
        ) {
            let mut walk = a_phase(phase);
            for (width, height) in sizes {
                walk.buffer((width, height), Glyphs::Unicode);
                for key in keys.chars() {
                    let events = walk.screen.key(plain(key), &walk.machine, &walk.account);
                    walk.feed_all(events);
                    walk.buffer((width, height), Glyphs::Ascii);
                }
            }
        }
    }

    #[test]
    fn every_tiny_size_is_drawn_in_every_phase() {
        for mut walk in every_phase() {
            for width in (1..=79).step_by(3) {
                for height in [1, 2, 3, 4, 5, 7, 10, 15, 22, 23] {
                    walk.buffer((width, height), Glyphs::Unicode);
                }
            }
        }
    }
}

mod querying {
    //! The query at the gate: its prompt, while it runs, its answer in both shapes, its error.
    use crate::stage::*;
    use stagegate::facts::{After, Observation, ServerLog, ServerMessage};
    use stagegate::gate::{Command, Event};
    use stagegate::tui::Glyphs;

    const SIZE: (u16, u16) = (80, 24);

    fn screen(walk: &mut Walk) -> String {
        walk.text(SIZE, Glyphs::Unicode)
    }

    #[test]
    fn the_prompt_and_the_running_query() {
        let mut walk = deciding();
        walk.press(":");
        walk.type_text("SELECT utn FROM service_ops.packet_decision");
        shoot_at("query_prompt", &mut walk, SIZE);
        walk.show();
        walk.press("Enter");
        shoot_at("query_running", &mut walk, SIZE);
        walk.show();
        walk.press("x");
        assert!(screen(&mut walk).contains("Cancelling"));
    }

    #[test]
    fn a_narrow_answer_is_a_table_and_null_is_told_from_its_name() {
        let mut walk = querying("SELECT id, utn FROM service_ops.packet_decision");
        let answer = rows(
            &["id", "utn"],
            &[
                &[Some("7"), None],
                &[Some("1204"), Some("NULL")],
                &[Some("9"), Some("")],
            ],
        );
        walk.looked(Ok(answer), After::Unchanged);
        shoot_at("query_table", &mut walk, SIZE);
        walk.show();
        // The gate is behind it, and arms anew.
        walk.press("Esc");
        assert!(screen(&mut walk).contains("NOT ARMED YET"));
    }

    #[test]
    fn an_answer_that_comes_before_the_next_frame_is_shown_all_the_same() {
        let mut walk = deciding();
        walk.press(":");
        walk.type_text("SELECT 1");
        let before = walk.machine.clone();
        // Asked without a frame in between, and answered before there is one.
        walk.feed(Event::Asked(Command::Query("SELECT 1".into())));
        assert!(before != walk.machine, "it is asked");
        walk.looked(Ok(rows(&["one"], &[&[Some("1")]])), After::Unchanged);
        assert!(
            screen(&mut walk).contains("ANSWER"),
            "{}",
            screen(&mut walk)
        );
    }

    #[test]
    fn a_wide_answer_moves_sideways_and_a_key_shows_it_row_by_row() {
        let mut walk = querying("SELECT * FROM t");
        let long = "a long text ".repeat(12);
        let mut answer = rows(
            &["id", "what_the_server_said", "utn"],
            &[
                &[Some("1"), Some(&long), None],
                &[Some("24"), Some("short"), Some("A-1")],
            ],
        );
        answer.more = true;
        walk.looked(Ok(answer), After::Unchanged);
        shoot_at("query_wide", &mut walk, SIZE);
        for _ in 0..9 {
            walk.press("Right");
            screen(&mut walk);
        }
        let text = screen(&mut walk);
        assert!(text.contains("│ utn") && text.contains("│ A-1"), "{text}");
        assert!(!text.contains("what_the_server_said"), "{text}");
        walk.press("w");
        shoot_at("query_rows", &mut walk, SIZE);
        // The choice stays for the next answer.
        walk.show();
        walk.press(":");
        walk.type_text("SELECT 2");
        walk.press("Enter");
        walk.looked(Ok(rows(&["a"], &[&[Some("2")]])), After::Unchanged);
        assert!(screen(&mut walk).contains("── row 1 "));
        walk.press("w");
        assert!(!screen(&mut walk).contains("── row 1 "));
    }

    #[test]
    fn a_value_of_several_lines_has_them_row_by_row() {
        let mut walk = querying("SELECT * FROM t");
        let answer = rows(&["id", "text"], &[&[Some("2"), Some("a\nb")]]);
        walk.looked(Ok(answer), After::Unchanged);
        let text = screen(&mut walk);
        assert!(
            text.contains(" text  a") && text.contains("\n       b"),
            "{text}"
        );
        walk.press("w");
        let text = screen(&mut walk);
        assert!(text.contains("  2 │ a\\nb"), "{text}");
    }

    #[test]
    fn the_names_stay_above_the_rows_and_what_is_moved_out_is_found() {
        let mut walk = querying("SELECT * FROM t");
        let wide = "x".repeat(200);
        let numbers: Vec<String> = (1..=100).map(|n| n.to_string()).collect();
        let cells: Vec<[Option<&str>; 3]> = numbers
            .iter()
            .map(|n| {
                let last = if n == "90" { "needle" } else { "hay" };
                [Some(n.as_str()), Some(wide.as_str()), Some(last)]
            })
            .collect();
        let all: Vec<&[Option<&str>]> = cells.iter().map(|row| row.as_slice()).collect();
        walk.looked(
            Ok(rows(&["number", "wide", "last"], &all)),
            After::Unchanged,
        );
        assert!(screen(&mut walk).contains("      1 │ xxx"));
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let text = screen(&mut walk);
            assert!(text.contains(" number │ wide"), "{text}");
            let first = text.lines().filter_map(|line| line.split('│').next());
            seen.extend(first.filter_map(|cell| cell.trim().parse::<u32>().ok()));
            walk.press("PageDown");
        }
        assert_eq!(seen.len(), 100, "a page hides none of them: {seen:?}");
        walk.press("g");
        walk.press("/");
        walk.type_text("needle");
        walk.press("Enter");
        let text = screen(&mut walk);
        assert!(text.contains("     90 │ xxx"), "{text}");
    }

    #[test]
    fn an_error_points_at_its_place() {
        let mut walk = querying("SELECT utm FROM service_ops.packet_decision");
        let error = ServerMessage {
            severity: "ERROR".into(),
            sqlstate: Some("42703".into()),
            message: "column \"utm\" does not exist".into(),
            hint: Some("Perhaps you meant to reference the column \"packet_decision.utn\".".into()),
            position: Some(8),
            ..ServerMessage::default()
        };
        walk.looked(Err(error), After::Unchanged);
        shoot_at("query_error", &mut walk, SIZE);
    }

    #[test]
    fn a_query_that_left_something_behind_leads_to_the_reason() {
        let mut walk = querying("SELECT pg_advisory_unlock(5)");
        let after = After::Disturbed("locks are no longer held (advisory ExclusiveLock)".into());
        walk.looked(Ok(rows(&["unlocked"], &[&[Some("t")]])), after);
        shoot_at("query_disturbed", &mut walk, SIZE);
    }

    #[test]
    fn what_may_not_be_asked_stays_in_the_prompt_with_the_reason() {
        let mut walk = deciding();
        walk.press(":");
        walk.type_text("COMMIT");
        assert!(walk.press("Enter").is_empty());
        let text = screen(&mut walk);
        assert!(text.contains("COMMIT is refused: only SELECT") && text.contains("> COMMIT"));
    }

    #[test]
    fn up_and_down_walk_through_what_was_asked() {
        let mut walk = querying("SELECT 1");
        walk.looked(Ok(rows(&["a"], &[])), After::Unchanged);
        // From the answer straight to the next query.
        walk.press(":");
        walk.type_text("SELECT 2");
        walk.press("Enter");
        walk.looked(Ok(rows(&["a"], &[])), After::Unchanged);
        walk.press(":");
        for (key, text) in [
            ("Up", "> SELECT 2"),
            ("Up", "> SELECT 1"),
            ("Up", "> SELECT 1"),
            ("Down", "> SELECT 2"),
        ] {
            walk.press(key);
            assert!(screen(&mut walk).contains(text), "{key} {text}");
            walk.show();
        }
        walk.press("Down");
        assert!(!screen(&mut walk).contains("> SELECT"));
    }

    #[test]
    fn a_paste_goes_into_the_prompt_and_never_asks() {
        let mut walk = deciding();
        walk.press(":");
        let events = walk.screen.paste("SELECT 1\nFROM t\n", &walk.machine);
        walk.feed_all(events);
        let text = screen(&mut walk);
        assert!(text.contains("> SELECT 1 "), "{text}");
        assert!(text.contains("   FROM t "), "{text}");
        assert!(matches!(
            walk.machine.phase(),
            stagegate::gate::Phase::Deciding { .. }
        ));
    }

    #[test]
    fn after_an_error_the_key_is_refused_with_what_can_be_looked_at_instead() {
        let mut walk = error();
        walk.press(":");
        let text = screen(&mut walk);
        assert!(text.contains("stagegate inspect"), "{text}");
    }

    #[test]
    fn a_thousand_hostile_rows_are_shown_as_data() {
        let hostile = "\x1b[2J\u{9b}31m\u{202e}\x07 東京\t\r\nx\x1b]0;a\x07";
        let mut walk = querying("SELECT '\u{202e}'");
        let row: &[Option<&str>] = &[Some(hostile), None];
        let all: Vec<&[Option<&str>]> = (0..1000).map(|_| row).collect();
        walk.looked(Ok(rows(&[hostile, "b"], &all)), After::Unchanged);
        for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
            let text = walk.text(SIZE, glyphs);
            assert!(
                text.contains("1000 rows") || text.contains("1,000 rows"),
                "{text}"
            );
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn the_server_log_stands_below_the_messages() {
        let mut walk = error();
        walk.press("m");
        assert!(screen(&mut walk).contains("Looking for it."));
        let pid = target().backend_pid;
        for (log, text) in [
            (ServerLog::NotCollected, "logging_collector is off"),
            (ServerLog::NotPermitted, "this role may not read it"),
            (ServerLog::Unreadable("x\x1by".into()), "Not shown: x"),
        ] {
            walk.feed(Event::Observed(Observation::Logged(log)));
            let shown = screen(&mut walk);
            assert!(shown.contains(text), "{shown}");
        }
        let log = ServerLog::Tail {
            file: "log/postgresql-Sun.log".into(),
            lines: vec![
                "2026-01-01 00:00:00 UTC [1] LOG:  checkpoint starting: time".into(),
                format!("2026-01-01 00:00:01 UTC [{pid}] ERROR:  could not create\x1b[2J index"),
            ],
            cut: true,
        };
        walk.feed(Event::Observed(Observation::Logged(log)));
        shoot_at("messages_log", &mut walk, SIZE);
    }
}
