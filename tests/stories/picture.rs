//! The README's pictures: real walks on a real server, their screens as SVG.
//!
//! `cargo test --test stories -- --ignored picture` draws them anew into `assets`.

use crate::stage::{Stage, Walk};
use stagegate::sandbox::demo::Scenario;
use std::fmt::Write;

const CELL: (f32, f32) = (8.4, 18.0);
const MARGIN: f32 = 14.0;
const PAPER: &str = "#16191d";
const INK: &str = "#d7dae0";
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
        .key("c")
        .wait_for("Type the name of the database")
        .type_slowly("wiser_ops")
        .key("Enter")
        .wait_for("COMMIT did not follow")
        .wait_for_the_gate();
    draw(&terminal, "difference.svg");
    terminal.roll_back().key("q");
}

fn draw(terminal: &crate::terminal::Terminal, name: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/");
    std::fs::write(format!("{folder}{name}"), terminal.with_screen(svg)).unwrap();
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
    ] {
        let path = format!("{}/assets/{name}", env!("CARGO_MANIFEST_DIR"));
        let svg = std::fs::read_to_string(path).unwrap();
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

fn look(cell: &vt100::Cell) -> Look {
    let (ink, paper) = (colour(cell.fgcolor(), INK), colour(cell.bgcolor(), PAPER));
    let (ink, paper) = if cell.inverse() {
        (paper, ink)
    } else {
        (ink, paper)
    };
    (ink, paper, cell.bold(), cell.dim())
}

fn svg(screen: &vt100::Screen) -> String {
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
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let Some(first) = screen.cell(row, column) else {
                break;
            };
            let style = look(first);
            let start = column;
            let mut text = String::new();
            while let Some(cell) = screen.cell(row, column).filter(|c| look(c) == style) {
                text.push_str(if cell.has_contents() {
                    cell.contents()
                } else {
                    " "
                });
                column += 1;
            }
            run(&mut out, row, start, column - start, &text, &style);
        }
    }
    out.push_str("</svg>\n");
    out
}

/// A run of cells that look the same.
fn run(out: &mut String, row: u16, start: u16, length: u16, text: &str, style: &Look) {
    let (ink, paper, bold, faint) = style;
    let x = MARGIN + f32::from(start) * CELL.0;
    let y = MARGIN + f32::from(row) * CELL.1;
    let width = f32::from(length) * CELL.0;
    if paper != PAPER {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{paper}\"/>",
            CELL.1
        );
    }
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
