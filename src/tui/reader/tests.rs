//! What of a document is laid out, and how its lines are broken.

use super::*;
use crate::acts::{PageAct, ScrollStep};
use crate::runbook::RunbookOrigin;
use crate::tui::pager::Pager;
use crate::tui::theme::Palette;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const LOOK: Appearance = Appearance {
    colour: Palette::Mono,
    glyphs: Glyphs::Unicode,
};

fn runbook_of(text: &str) -> Arc<Runbook> {
    let script = Script::read("s.sql", None, text.as_bytes());
    let origin = RunbookOrigin::BareScript("s.sql".into());
    Arc::new(Runbook::bare("Title", origin, script))
}

/// How many lines were laid out, and coloured parts read, since the last time.
fn cost() -> (usize, usize) {
    (LAID_OUT.take(), index::COLOURED.take())
}

/// What each frame costs while somebody goes through a script of so many statements.
fn costs_of_frames(statements: usize) -> Vec<(usize, usize)> {
    let mut text = String::new();
    for number in 0..statements {
        text.push_str(&format!(
            "-- Migration {number}: it's long\nINSERT INTO t VALUES ({number}, 'one'\n, 'two');\n"
        ));
        if number % 5 == 0 {
            let rest = "far, ".repeat(40);
            text.push_str(&format!("VACUUM t{number}; -- {rest}\n"));
        }
    }
    let mut pager = Pager::new(runbook_of(&text), LOOK);
    let standings = [(Document::Script, DocumentStanding::Unread)];
    let draw = |pager: &mut Pager, (width, height)| {
        let body = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(body);
        pager.draw_script(&mut buffer, body, &standings, false);
        cost()
    };
    let (small, large) = ((80, 24), (200, 50));
    cost();
    let mut costs = vec![draw(&mut pager, small)];
    for act in [
        PageAct::Scroll(ScrollStep::Last),
        PageAct::Scroll(ScrollStep::Up),
        PageAct::NextSection,
        PageAct::PreviousSection,
        PageAct::FindNext,
        PageAct::Wrap,
        PageAct::Scroll(ScrollStep::PageUp),
    ] {
        pager.page_script(act);
        costs.push(draw(&mut pager, small));
        costs.push(draw(&mut pager, large));
    }
    pager.seek(format!("VALUES ({},", statements - 9));
    pager.page_script(PageAct::FindNext);
    costs.push(draw(&mut pager, large));
    costs
}

#[test]
fn a_frame_of_a_long_script_lays_out_no_more_than_one_of_a_short_one() {
    let (short, long) = (costs_of_frames(200), costs_of_frames(20_000));
    let most = |costs: &[(usize, usize)]| {
        let lines = costs.iter().map(|(lines, _)| *lines).max();
        lines.zip(costs.iter().map(|(_, parts)| *parts).max())
    };
    let ((lines, parts), (lines_long, parts_long)) = most(&short).zip(most(&long)).unwrap();
    assert!(lines > 20 && parts > 100, "the script is not on the screen");
    // Two screens of 50 rows, as the last one is looked at for where the end is, and a place further on.
    assert!(lines_long <= 160, "{short:?} {long:?}");
    assert!(parts_long <= parts + 1_500, "{short:?} {long:?}");
}

/// What a script is made of here: words that hide others, notes, what is not sent, lines of every length.
const PIECES: [&str; 12] = [
    "BEGIN;\n",
    "VACUUM t;\n",
    "SELECT 'it''s; -- no\nend';\n",
    "-- it's a comment; 'not' a string\n",
    "/* it's\n\n /* nested */ */ SELECT 1;\n",
    "DO $x$ BEGIN\n PERFORM 'a';\nEND $x$;\n",
    "COPY t FROM stdin;\nit's\t1\n\\N\t$$\n\\.\n",
    "\\echo it's\n",
    "SELECT \"a'b\", 1.5, :x;\r\n",
    "\n",
    "INSERT INTO t VALUES ('a much longer line, that is broken where it is wrapped', 'and wider', 1, 2, 3, 4);\n",
    "SELECT 1;                                                                          DROP TABLE t;\n",
];

proptest! {
    #[test]
    fn wherever_a_document_is_laid_out_first_it_is_the_same(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 1..14),
        wrapped: bool,
        width in 20..100_usize,
        height in 1..12_usize,
    ) {
        let runbook = runbook_of(&pieces.concat());
        let pages = || DocumentPages::new(&runbook, LOOK, Document::Script, (width, wrapped), None);
        let whole = pages();
        let rows = whole.shown(RowPlace::default(), 10_000);
        let lines = whole.lines(&rows, 0, None);
        prop_assert_eq!(rows.len(), lines.len());
        let last = rows.len() - 1;
        prop_assert_eq!(whole.furthest_top(height), rows[rows.len().saturating_sub(height)]);
        for (at, row) in rows.iter().enumerate() {
            let part = pages();
            let shown = part.shown(*row, height);
            let to = (at + height).min(rows.len());
            prop_assert_eq!(&shown[..], &rows[at..to]);
            prop_assert_eq!(&part.lines(&shown, 0, None)[..], &lines[at..to]);
            prop_assert_eq!(part.down(*row, height), rows[(at + height).min(last)]);
            prop_assert_eq!(part.up(*row, height), rows[at.saturating_sub(height)]);
            prop_assert_eq!(part.settle(*row), *row);
        }
    }
}

#[test]
fn a_section_begins_at_the_rule_above_its_title() {
    let runbook = crate::runbook::Runbook::load(None).unwrap();
    let text = &runbook.script.sources[0].text;
    let begins = section_lines(&runbook.script, 0, text);
    assert!(begins.len() > 3, "{begins:?}");
    for line in begins {
        let above: Vec<&str> = text.lines().skip(line - 1).take(2).collect();
        assert!(above[0].starts_with("-- ===="), "{line}: {above:?}");
        assert!(!above[1].contains("===="), "{line}: {above:?}");
    }
}

#[test]
fn a_line_of_megabytes_is_broken_in_one_pass() {
    // Where each letter looks at the whole rest of its line this test does not end.
    let look = Appearance {
        colour: Palette::Mono,
        glyphs: Glyphs::Unicode,
    };
    let code = "x".repeat(2_000_000);
    let parts = broken(look, &code, 80);
    assert_eq!(parts.len(), 25_000);
    assert!(
        parts
            .iter()
            .all(|(range, wide)| (range.len(), *wide) == (80, 80))
    );
    let hangs_on = "ne\u{301} x\u{7f}\u{e9}";
    let parts = broken(look, hangs_on, 1);
    let parts: Vec<&str> = parts
        .into_iter()
        .map(|(range, _)| &hangs_on[range])
        .collect();
    assert_eq!(parts, ["n", "e\u{301}", " ", "x", "\u{7f}", "\u{e9}"]);
}

#[test]
fn long_lines_are_broken_between_words_and_nothing_is_lost() {
    let look = Appearance {
        colour: Palette::Mono,
        glyphs: Glyphs::Unicode,
    };
    let parts = |code: &str, columns| -> Vec<String> {
        let ranges = broken(look, code, columns);
        ranges
            .into_iter()
            .map(|(range, wide)| {
                assert!(
                    wide <= columns.max(width(&look.clean(&code[range.clone()]))),
                    "{wide}"
                );
                code[range].to_owned()
            })
            .collect()
    };
    assert_eq!(parts("one two three", 8), ["one two ", "three"]);
    assert_eq!(parts("onetwothree", 8), ["onetwoth", "ree"]);
    assert_eq!(parts("a bcdefghijk", 6), ["a bcde", "fghijk"]);
    assert_eq!(parts("東京 東京", 5), ["東京 ", "東京"]);
    for columns in 1..20 {
        let text = "-- a lock \x1b[2J held: 東京都, \t e\u{301}nd";
        assert_eq!(parts(text, columns).concat(), text);
    }
    // Escapes are wider than what they stand for, whatever they hang on.
    for hanging in [
        "x\u{200b}\u{200b}\u{200b}",
        "\u{600}\u{600}'",
        "\u{d4e}\u{d4e}\u{d4e}'",
    ] {
        let text = format!("SELECT '{};DELETE FROM t", hanging.repeat(9));
        let rows = broken(look, &text, 20).into_iter();
        let shown = rows.map(|(range, _)| look.clean(&text[range]));
        assert!(shown.clone().all(|row| width(&row) <= 20), "{text:?}");
        assert_eq!(shown.collect::<String>(), look.clean(&text));
    }
}
