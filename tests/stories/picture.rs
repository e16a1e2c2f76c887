//! The README's pictures: real walks on a real server, their screens as SVG.
//!
//! `cargo test --test stories -- --ignored picture` draws them anew into `assets`.

use crate::child::Finish;
use crate::stage::{Stage, Walk};
use crate::terminal::PROGRAM;
use stagegate::sandbox::demo::Scenario;
use std::fmt::Write;
use std::process::Command;

const CELL: (f32, f32) = (8.4, 18.0);
const MARGIN: f32 = 14.0;

/// A terminal's ground and letters.
struct Ground {
    paper: &'static str,
    ink: &'static str,
}

const DARK: Ground = Ground {
    paper: "#16191d",
    ink: "#d7dae0",
};
const LIGHT: Ground = Ground {
    paper: "#fcfcf9",
    ink: "#24292f",
};
/// The sixteen colours, as dark terminals show them.
const COLOURS: [&str; 16] = [
    "#1d2025", "#e06c75", "#7ec27e", "#e2b85b", "#61a0e0", "#c678dd", "#56b6c2", "#d7dae0",
    "#7f8591", "#ff7b85", "#98d898", "#f2cc6b", "#7ab5f5", "#d996ea", "#6fd0dc", "#ffffff",
];

#[test]
#[ignore = "draws assets/gate.svg anew"]
fn picture_of_the_gate() {
    let stage = Stage::set(Scenario::Busy);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate().wait_for("wait for us");
    draw(&terminal, "gate.svg");
    terminal.roll_back().key("q");
}

#[test]
#[ignore = "draws assets/review.svg and assets/difference.svg anew"]
fn pictures_of_a_decision_with_nothing_held() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(100, 30, &[], &[]);
    terminal.walk_to_the_gate();
    terminal
        .key("t")
        .wait_for("NOTHING IS HELD, NOTHING IS SAVED")
        .wait_for_the_gate();
    draw(&terminal, "review.svg");
    stage.ask("GRANT DELETE ON service_ops.packet_decision TO wiser_app");
    terminal
        .send_commit()
        .wait_for("COMMIT did not follow")
        .wait_for_the_gate();
    draw(&terminal, "difference.svg");
    terminal.roll_back().key("q");
}

#[test]
#[ignore = "draws the checklist, the outcome and the gate on a light ground anew"]
fn pictures_of_a_walk_that_commits() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(120, 30, &[], &[]);
    terminal.wait_for_evidence().key("Down").key("Enter");
    terminal.wait_for(" unseen");
    draw(&terminal, "script.svg");
    terminal.key("Esc").wait_for("CHECKLIST");
    draw(&terminal, "checklist.svg");
    terminal.walk_to_the_gate().commit();
    terminal.wait_for("in the post-verification");
    draw(&terminal, "outcome.svg");
    terminal.key("q");
    let mut arguments = stage.arguments(&["--theme", "light"]);
    arguments[0] = "inspect".to_owned();
    let mut inspect = stage.open(120, 30, &arguments);
    inspect.wait_for("PASS").wait_while("looking");
    draw_on(&LIGHT, &inspect, "inspect.svg");
    inspect.key("q");
}

#[test]
#[ignore = "draws assets/fail.svg anew"]
fn picture_of_a_check_that_fails() {
    let stage = Stage::set(Scenario::FailingCheck);
    let mut terminal = stage.run_in(100, 30, &[], &["--theme", "light"]);
    terminal
        .sign_everything()
        .key("a")
        .wait_for("ONLY ROLLBACK IS LEFT");
    terminal.wait_while("not looked at yet");
    draw_on(&LIGHT, &terminal, "fail.svg");
    terminal.roll_back().key("q");
}

#[test]
#[ignore = "draws what runs and waits for a lock, and its report, anew"]
fn picture_of_the_statements() {
    let stage = Stage::set(Scenario::Blocked);
    let mut terminal = stage.run_in(120, 30, &[], &[]);
    terminal
        .sign_everything()
        .key("a")
        .wait_for("WAITS FOR")
        .wait_for("WE WAIT FOR");
    draw(&terminal, "stream.svg");
    terminal.wait_for_the_gate().roll_back().key("q");
    assert_eq!(terminal.exit_code(), 1);
    let report = Command::new(PROGRAM)
        .args(["report", "--format", "html"])
        .env_clear()
        .envs(stage.env(&[]))
        .finish("stagegate");
    let page = String::from_utf8(report.stdout).unwrap();
    std::fs::write(asset("report.svg"), window_of(&page)).unwrap();
}

/// The picture of a report's last lock window, by itself.
fn window_of(page: &str) -> String {
    let until = |start: usize, to: &str| {
        let length = page[start..].find(to).expect(to) + to.len();
        &page[start..start + length]
    };
    let style = until(page.find("<style>").unwrap(), "</style>");
    let picture = until(page.rfind("<svg ").unwrap(), "</svg>\n");
    let (head, bars) = picture.split_once('\n').unwrap();
    let named = "<svg xmlns=\"http://www.w3.org/2000/svg\" font-family=\"system-ui, sans-serif\" ";
    let head = head.replacen("<svg ", named, 1);
    format!("{head}\n{style}\n<rect width=\"100%\" height=\"100%\" fill=\"var(--paper)\"/>\n{bars}")
}

fn draw(terminal: &crate::terminal::Terminal, name: &str) {
    draw_on(&DARK, terminal, name);
}

fn draw_on(ground: &Ground, terminal: &crate::terminal::Terminal, name: &str) {
    let picture = terminal.with_screen(|screen| svg(screen, ground));
    std::fs::write(asset(name), picture).unwrap();
}

fn asset(name: &str) -> String {
    format!("{}/assets/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_pictures_are_there_and_show_what_they_are_of() {
    for (name, shown) in [
        (
            "gate.svg",
            ["TRANSACTION OPEN", "COMMIT", "ROLLBACK", "8 PASS"],
        ),
        (
            "review.svg",
            ["NOTHING IS HELD", "Was held", "numbers", "8 PASS"],
        ),
        (
            "difference.svg",
            [
                "TRANSACTION OPEN",
                "COMMIT did not follow",
                "DELETE",
                "approved",
            ],
        ),
        (
            "checklist.svg",
            ["CHECKLIST", "acknowledges 1 of 1", "WARNS", "not read yet"],
        ),
        (
            "script.svg",
            [" unseen", "rollback 1", "MIGRATIONS.sql", "psql"],
        ),
        (
            "stream.svg",
            ["WAITS FOR", "LOCKS HELD", "nightly report", "STATEMENT"],
        ),
        (
            "fail.svg",
            ["ONLY ROLLBACK IS LEFT", "FAIL", "ROLLBACK", "statement"],
        ),
        (
            "outcome.svg",
            [
                "C O M M I T T E D",
                "3 PASS, 0 WARN",
                "Proof",
                "pg_xact_status",
            ],
        ),
        (
            "report.svg",
            [
                "transaction",
                "our own work",
                "a person",
                "ACCESS EXCLUSIVE",
            ],
        ),
        ("inspect.svg", ["READ-ONLY", "PASS", "wiser_ops", "quit"]),
    ] {
        let svg = std::fs::read_to_string(asset(name)).unwrap();
        for words in shown {
            assert!(svg.contains(words), "{name}: {words}");
        }
    }
}

fn colour(colour: vt100::Color, otherwise: &str) -> String {
    match colour {
        vt100::Color::Default => otherwise.into(),
        vt100::Color::Idx(index @ 0..16) => COLOURS[usize::from(index)].into(),
        vt100::Color::Idx(index) => {
            // The cube of 6 × 6 × 6, then 24 greys.
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let (r, g, b) = match index {
                232.. => (
                    8 + 10 * (index - 232),
                    8 + 10 * (index - 232),
                    8 + 10 * (index - 232),
                ),
                _ => {
                    let n = index - 16;
                    (level(n / 36), level(n / 6 % 6), level(n % 6))
                }
            };
            format!("#{r:02x}{g:02x}{b:02x}")
        }
        vt100::Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
    }
}

/// The look of a cell: ink, paper, bold, faint.
type Look = (String, String, bool, bool);

fn look(cell: &vt100::Cell, ground: &Ground) -> Look {
    let ink = colour(cell.fgcolor(), ground.ink);
    let paper = colour(cell.bgcolor(), ground.paper);
    let (ink, paper) = if cell.inverse() {
        (paper, ink)
    } else {
        (ink, paper)
    };
    (ink, paper, cell.bold(), cell.dim())
}

fn svg(screen: &vt100::Screen, ground: &Ground) -> String {
    let paper = ground.paper;
    let (rows, columns) = screen.size();
    let (rows, columns) = (u16::from(rows), u16::from(columns));
    let (width, height) = (
        f32::from(columns) * CELL.0 + 2.0 * MARGIN,
        f32::from(rows) * CELL.1 + 2.0 * MARGIN,
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', \
         Menlo, Consolas, monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{paper}\"/>\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let Some(first) = screen.cell(row, column) else {
                break;
            };
            let style = look(first, ground);
            let start = column;
            let mut text = String::new();
            while let Some(cell) = screen
                .cell(row, column)
                .filter(|c| look(c, ground) == style)
            {
                text.push_str(if cell.has_contents() {
                    cell.contents()
                } else {
                    " "
                });
                column += 1;
            }
            run(&mut out, (row, start, column - start), &text, &style, paper);
        }
    }
    out.push_str("</svg>\n");
    out
}

/// A run of cells that look the same, by its row, its first column and its length.
fn run(
    out: &mut String,
    (row, start, length): (u16, u16, u16),
    text: &str,
    style: &Look,
    ground: &str,
) {
    let (ink, paper, bold, faint) = style;
    let x = MARGIN + f32::from(start) * CELL.0;
    let y = MARGIN + f32::from(row) * CELL.1;
    let width = f32::from(length) * CELL.0;
    if paper != ground {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{paper}\"/>",
            CELL.1
        );
    }
    // What joins from row to row is drawn: letters leave gaps between rows.
    for (nth, c) in text.chars().enumerate() {
        let (from, wide) = match c {
            // A little wider, or a hair shows between two of them.
            '█' => (0.0, CELL.0 + 0.3),
            '│' => (CELL.0 / 2.0 - 0.5, 1.0),
            _ => continue,
        };
        let left = MARGIN + (f32::from(start) + f32::from(u16::try_from(nth).unwrap())) * CELL.0;
        let faint = if *faint { " opacity=\"0.6\"" } else { "" };
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{:.1}\" fill=\"{ink}\"{faint}/>",
            left + from,
            CELL.1
        );
    }
    let text = text.replace(['█', '│'], " ");
    if text.trim().is_empty() {
        return;
    }
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let weight = if *bold { " font-weight=\"bold\"" } else { "" };
    let faint = if *faint { " opacity=\"0.6\"" } else { "" };
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacing\" \
         xml:space=\"preserve\" fill=\"{ink}\"{weight}{faint}>{text}</text>",
        y + CELL.1 * 0.74
    );
}
