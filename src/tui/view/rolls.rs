//! What every roll promises: any range of it is that part of the whole, and a frame of a long script
//! costs no more than one of a short one (I14). Counted, never timed.

use super::Scene;
use super::locks::LockPane;
use super::messages::{Heights, MessagePane};
use super::statement::{Detail, OpenedStatement};
use super::stream::{MADE, Outline, Stream};
use crate::account::Account;
use crate::facts::{Lock, ServerMessage, StatementReport};
use crate::gate::event::{Added, Body, Report};
use crate::gate::plan::{Mode, Plan};
use crate::gate::{Event, Machine};
use crate::runbook::check::ResultSet;
use crate::runbook::lock::LockMode;
use crate::runbook::script::Script;
use crate::runbook::{Runbook, RunbookOrigin};
use crate::tui::paint::Roll;
use crate::tui::screen::Screen;
use crate::tui::theme::{Appearance, Glyphs, Palette};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::sync::Arc;

const LOOK: Appearance = Appearance {
    colour: Palette::Mono,
    glyphs: Glyphs::Unicode,
};

/// A script of `count` statements, with a section and an echo now and then.
fn runbook(count: usize) -> Runbook {
    let mut text = String::new();
    for number in 1..=count {
        if number % 7 == 3 {
            text.push_str(&format!(
                "\n-- Migration {number:03}: part\n\n\\echo at {number}\n"
            ));
        }
        text.push_str(&format!("UPDATE t{number} SET a = 1;\n"));
    }
    let script = Script::read("s.sql", None, text.as_bytes());
    Runbook::bare("Title", RunbookOrigin::BareScript("s.sql".into()), script)
}

fn told(account: &mut Account, body: Body) {
    account.take_down(&Event::Reported(Report { seq: 1, body }));
}

/// An account in which `done` statements are done and the next one runs, or failed.
fn account(runbook: &Runbook, done: usize, fails: bool) -> Account {
    let mut account = Account::new(runbook);
    let added = vec![
        Added::Ahead("BEGIN".to_owned()),
        Added::Behind("SHOW synchronous_commit".to_owned()),
    ];
    let xid = "7".to_owned();
    told(&mut account, Body::Begun { xid, added });
    for number in 1..=done {
        told(&mut account, Body::StatementStarted { number });
        if number % 3 == 0 {
            let message = ServerMessage {
                severity: "NOTICE".into(),
                message: format!("{number} ").repeat(number % 50),
                ..ServerMessage::default()
            };
            let number = Some(number);
            let message = Box::new(message);
            told(&mut account, Body::Noticed { number, message });
        }
        let rows = (0..number).map(|row| vec![Some(row.to_string()), None]);
        let report = StatementReport {
            number,
            tag: format!("UPDATE {number}").into(),
            locks: vec![Lock {
                mode: LockMode::RowExclusive,
                relation: format!("public.t{number}"),
            }],
            result: (number < 50).then(|| ResultSet {
                columns: vec!["first".into(), "second".into()].into(),
                rows: rows.collect(),
                total: number as u64 + 5,
            }),
            ..StatementReport::default()
        };
        told(&mut account, Body::StatementFinished(Box::new(report)));
    }
    let number = done + 1;
    told(&mut account, Body::StatementStarted { number });
    if fails {
        let error = Box::new(ServerMessage {
            severity: "ERROR".into(),
            message: "it does not work at all ".repeat(20),
            ..ServerMessage::default()
        });
        let duration = 3;
        let failed = Body::StatementFailed {
            number,
            duration,
            error,
        };
        told(&mut account, failed);
    }
    account
}

/// Calls `check` with each kind of roll over a run.
fn with_rolls(count: usize, done: usize, fails: bool, check: impl Fn(&str, &dyn Roll)) {
    let runbook = runbook(count);
    let account = account(&runbook, done, fails);
    let machine = Machine::new(Plan::new(&runbook, Mode::Run, 60_000));
    let outline = Outline::of(&runbook.script);
    assert_eq!(outline.sent, count);
    let scene = Scene {
        look: LOOK,
        runbook: &runbook,
        machine: &machine,
        account: &account,
        cursor: 0,
        outline: &outline,
        journal: None,
    };
    for columns in [60, 80, 120] {
        check("stream", &Stream::new(&scene, columns, Some(done)));
        check("locks", &LockPane::new(&scene, columns));
        let mut heights = Heights::default();
        heights.catch_up(&scene, columns);
        check("messages", &MessagePane::new(&scene, &heights, columns));
        for by_rows in [None, Some(true)] {
            let detail = Detail::of(&scene, done.max(1), (columns, by_rows), None);
            for sideways in [0, 5] {
                let opened = OpenedStatement {
                    scene: &scene,
                    detail: &detail,
                    sideways,
                };
                check("statement", &opened);
            }
        }
    }
}

#[test]
fn any_range_of_a_roll_is_that_part_of_the_whole() {
    for (count, done, fails) in [
        (1, 0, false),
        (40, 20, false),
        (40, 20, true),
        (40, 39, true),
    ] {
        with_rolls(count, done, fails, |name, roll| {
            let whole = roll.lines(0..roll.total());
            assert_eq!(whole.len(), roll.total(), "{name}");
            for start in 0..roll.total() {
                for height in [1, 2, 17] {
                    let end = (start + height).min(roll.total());
                    let part = roll.lines(start..end);
                    assert_eq!(part, whole[start..end], "{name} {start}..{end}");
                }
            }
        });
    }
}

#[test]
fn the_line_to_follow_is_the_line_of_the_statement() {
    for (done, fails) in [(0, false), (3, true), (20, false), (39, true)] {
        let runbook = runbook(40);
        let account = account(&runbook, done, fails);
        let machine = Machine::new(Plan::new(&runbook, Mode::Run, 60_000));
        let outline = Outline::of(&runbook.script);
        let scene = Scene {
            look: LOOK,
            runbook: &runbook,
            machine: &machine,
            account: &account,
            cursor: 0,
            outline: &outline,
            journal: None,
        };
        for number in 1..=40 {
            let stream = Stream::new(&scene, 80, Some(number));
            let line = stream.line_of(number).unwrap();
            let text = stream.lines(line..line + 1)[0].to_string();
            let wanted = format!("{number:>4}▸UPDATE t{number} ");
            assert!(text.starts_with(&wanted), "{wanted:?}: {text:?}");
        }
    }
}

/// How many statements are made into lines for a frame of the stream.
fn made_for_a_frame(count: usize) -> usize {
    let runbook = Arc::new(runbook(count));
    let account = account(&runbook, count / 2, false);
    let mut plan = Plan::new(&runbook, Mode::Rehearse, 60_000);
    plan.post_verification = false;
    let mut machine = Machine::new(plan);
    machine.start();
    let answered = |seq, body| Event::Reported(Report { seq, body });
    machine.handle(answered(1, Body::Connected(Box::default())));
    machine.handle(Event::Drawn);
    machine.handle(Event::Asked(crate::gate::Command::Apply));
    assert!(machine.phase().transaction_open(), "{:?}", machine.phase());
    let mut screen = Screen::new(runbook, LOOK);
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let mut draw = || {
        terminal
            .draw(|frame| screen.draw(frame, &machine, &account))
            .unwrap();
    };
    draw();
    MADE.with(|made| made.set(0));
    draw();
    MADE.with(std::cell::Cell::get)
}

#[test]
fn a_frame_of_a_long_script_makes_no_more_lines_than_one_of_a_short_one() {
    let short = made_for_a_frame(100);
    let long = made_for_a_frame(10_000);
    assert!(short > 5, "the stream is not on the screen");
    // A screen of 24 rows, and some that reach into it.
    assert!(long <= short + 5 && long < 40, "{short} and {long}");
}
