//! What is said on a screen goes when it is no longer so.

use crate::stage::*;
use stagegate::facts::Observation;
use stagegate::gate::event::Body;
use stagegate::gate::phase::{Phase, Prompt};
use stagegate::gate::plan;
use stagegate::gate::{Event, Refusal};
use stagegate::tui::Glyphs;

/// The sizes from which a person can see that a name leads nowhere: whole, and too small to be one.
const ALL: [(u16, u16); 5] = [(120, 40), (80, 24), (79, 20), (60, 15), (20, 5)];

/// All of what is on the screen as words, with the frames around it left out.
fn words(walk: &mut Walk, size: (u16, u16)) -> String {
    let text = walk.text(size, Glyphs::Unicode);
    let words = text.split(|c: char| c.is_whitespace() || "│╭╮╰╯─".contains(c));
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_monitor_that_hears_nothing_says_nothing_of_the_script() {
    let mut walk = checklist();
    walk.sign_all();
    walk.press("a");
    walk.begin();
    walk.start(1);
    let silent = "the server does not answer the monitor";
    walk.feed(Event::Observed(Observation::Blind(silent.into())));
    for size in [(80, 24), (79, 20)] {
        let said = words(&mut walk, size);
        let whole =
            format!("progress is not known, asked on a connection beside the script's: {silent}");
        assert!(said.contains(&whole), "{size:?}: {said}");
        assert!(!said.contains("not affected"), "{said}");
    }
}

#[test]
fn the_box_for_the_name_says_that_it_is_too_late() {
    let mut walk = reviewing();
    walk.press("c");
    walk.type_text("wiser_");
    let typed = |walk: &Walk| {
        let prompt = walk.machine.phase().prompt();
        assert_eq!(prompt, Prompt::Name, "it is not taken away from who types");
    };
    for size in ALL {
        let said = words(&mut walk, size);
        assert!(!said.contains("NOT ANY MORE"), "{size:?}: {said}");
        assert!(!said.contains("too old"), "{size:?}: {said}");
    }
    walk.tick_for(plan::APPROVAL_LIMIT);
    typed(&walk);
    for size in ALL {
        let said = words(&mut walk, size);
        let late = match size {
            (20, _) => "too old to be approved",
            (60, _) => "Review: too old for COMMIT",
            _ => {
                "NOT ANY MORE: what is shown here is too old (--approval-limit). Whatever is typed \
                  commits nothing; Esc goes back. > wiser_"
            }
        };
        assert!(said.contains(late), "{size:?}: {said}");
        for promised in ["begins the second pass", "commits by itself what comes"] {
            assert!(!said.contains(promised), "{size:?}: {said}");
        }
    }
    walk.type_text("ops");
    walk.press("Enter");
    assert!(matches!(walk.machine.phase(), Phase::Reviewing { .. }));
    let said = words(&mut walk, (80, 24));
    assert!(said.contains("too old to be approved"), "{said}");
}

/// What is refused is said while it is so: the walk, the key, a piece of what is said, and what ends it.
#[test]
fn a_refusal_goes_with_its_reason() {
    type Change = fn(&mut Walk);
    let cases: [(&str, Walk, &str, &str, Change); 6] = [
        (
            "evidence",
            {
                let mut walk = Walk::new(runbook());
                walk.connect();
                walk
            },
            "Space",
            "still being looked for",
            |walk| walk.evidence(|_, _| {}),
        ),
        (
            "a script that runs",
            applying(),
            "q",
            "The script is running",
            |walk| walk.tick_for(plan::PARTING),
        ),
        (
            "a gate that lets go",
            deciding(),
            "q",
            "q again rolls back",
            |walk| walk.tick_for(plan::HOLD_LIMIT),
        ),
        (
            "only ROLLBACK",
            failing(),
            "c",
            "COMMIT is refused",
            |walk| walk.tick_for(plan::HOLD_LIMIT),
        ),
        (
            "a hold at its most",
            {
                let mut walk = deciding();
                walk.press("+");
                walk
            },
            "+",
            "cannot be extended further",
            |walk| walk.tick_for(plan::HOLD_LIMIT),
        ),
        ("a query", querying("SELECT 1"), "x", "", |walk| {
            walk.press("x");
            let said = walk.text((120, 40), Glyphs::Unicode);
            assert!(said.contains("Cancelling already; waiting for"), "{said}");
            walk.looked(Ok(Default::default()), stagegate::facts::After::Unchanged);
            let said = walk.text((120, 40), Glyphs::Unicode);
            assert!(!said.contains("Cancelling already"), "{said}");
        }),
    ];
    for (name, mut walk, key, said, change) in cases {
        walk.press(key);
        let before = words(&mut walk, (120, 40));
        assert!(before.contains(said), "{name}: {before}");
        change(&mut walk);
        let after = words(&mut walk, (120, 40));
        assert!(said.is_empty() || !after.contains(said), "{name}: {after}");
    }
}

#[test]
fn what_is_said_of_a_key_stays() {
    let mut walk = applying();
    walk.screen.refuse(Refusal::NotDrawn);
    let pressed = "The screen changed as you pressed";
    walk.report(Body::ScriptFinished);
    let said = words(&mut walk, (120, 40));
    assert!(said.contains(pressed), "{said}");
    walk.press("Tab");
    let said = words(&mut walk, (120, 40));
    assert!(!said.contains(pressed), "{said}");
}
