//! The prompt: what a person sees when the program waits for a word, and the pages of what is long.
//!
//! It comes when nothing was told for a moment, so that evidence that arrives piece by piece is not cut
//! up by it, and only where a word is waited for.

use super::pages::{self, LinePages};
use crate::facts::Standing;
use crate::gate::event::Document;
use crate::gate::phase::{Phase, Prompt};
use crate::runbook::printable::{counted, printable};
use crate::walk::engine::{Engine, HeldSession};

/// The prompt of a terminal, and what is open in pages before it.
pub(super) struct Invitation {
    /// There is somebody to be invited.
    wanted: bool,
    pages: Option<LinePages>,
    /// What is to be written next, and the prompt, where nothing else is.
    text: String,
    prompt: Option<String>,
    /// The prompt stands on the last line, and nothing was typed to it yet.
    stands: bool,
    /// Something was told since the last tick.
    told: bool,
}

impl Invitation {
    pub(super) fn new(wanted: bool) -> Invitation {
        Invitation {
            wanted,
            pages: None,
            text: String::new(),
            prompt: None,
            stands: false,
            told: false,
        }
    }

    /// Shows `lines`, the first page of them where they are more than that. A document whose end was shown
    /// has been read to its end.
    pub(super) fn open<H: HeldSession>(
        &mut self,
        engine: &mut Engine<H>,
        lines: Vec<String>,
        document: Option<Document>,
    ) {
        if lines.is_empty() && document.is_none() {
            return;
        }
        self.leave(engine);
        let lines = match (pages::screen().filter(|_| self.wanted), document) {
            (Some((columns, _)), None) => {
                let broken = pages::break_lines(&lines.join("\n"), columns);
                broken.lines().map(str::to_owned).collect()
            }
            // A document's lines stay as they are.
            (_, Some(_)) | (None, _) => lines,
        };
        self.pages = Some(LinePages::of(lines, document));
        self.turn(engine);
    }

    fn turn<H: HeldSession>(&mut self, engine: &mut Engine<H>) {
        let Some(pages) = &mut self.pages else {
            return;
        };
        let screen = match self.wanted {
            true => pages::screen(),
            false => None,
        };
        for line in pages.turn(screen) {
            self.text.push_str(line);
            self.text.push('\n');
        }
        if pages.left() == 0 {
            self.leave(engine);
        }
    }

    /// Puts away what is open, and takes down how far it was read.
    pub(super) fn leave<H: HeldSession>(&mut self, engine: &mut Engine<H>) {
        let pages = self.pages.take();
        for event in pages.map_or_else(Vec::new, |pages| pages.leave()) {
            engine.take(event);
        }
    }

    /// Takes a line that was typed, where it is for the pages that are open: Enter, or the word that ends
    /// them. Every other word ends them as well, and is taken by whom it is for.
    pub(super) fn turns<H: HeldSession>(&mut self, engine: &mut Engine<H>, line: &str) -> bool {
        // The terminal has gone to the next line.
        self.stands = false;
        self.told = true;
        if self.pages.is_none() {
            return false;
        }
        match line.trim() {
            "" => self.turn(engine),
            "stop" => self.leave(engine),
            _ => {
                self.leave(engine);
                return false;
            }
        }
        true
    }

    /// What is to be written now that `told` is told: on a line of its own, with what was opened behind it.
    pub(super) fn before(&mut self, told: String) -> String {
        let prompt = self.prompt.take();
        if told.is_empty() && self.text.is_empty() {
            self.stands |= prompt.is_some();
            return prompt.unwrap_or_default();
        }
        self.told = true;
        let told = match pages::screen().filter(|_| self.wanted) {
            Some((columns, _)) => pages::break_lines(&told, columns),
            None => told,
        };
        let line = match std::mem::take(&mut self.stands) {
            true => "\n",
            false => "",
        };
        format!("{line}{told}{}", std::mem::take(&mut self.text))
    }

    /// A tick went by: where nothing was told meanwhile and a word is waited for, the prompt comes.
    pub(super) fn wait<H: HeldSession>(&mut self, engine: &Engine<H>, asked: bool) {
        if std::mem::take(&mut self.told) || self.stands || asked || !self.wanted {
            return;
        }
        let prompt = match (&self.pages, place(engine)) {
            (Some(pages), _) => format!(
                "-- {} more: Enter goes on, stop ends -- ",
                counted(pages.left(), "line", "lines")
            ),
            (None, Some(place)) => {
                let target = engine.account().target.as_ref();
                let database = target.map_or("", |target| target.database.as_str());
                format!("{} {place}> ", printable(database))
            }
            (None, None) => return,
        };
        self.prompt = Some(prompt.trim_start().to_owned());
    }
}

/// What is waited for in this place, in a word.
fn place<H: HeldSession>(engine: &Engine<H>) -> Option<&'static str> {
    match engine.machine().phase() {
        // Evidence that is still looked for is told first, unless that takes a while.
        Phase::Checklist { .. } => {
            let items = engine.machine().items();
            let known = &engine.account().items;
            let looks = items.iter().zip(known).any(|(item, known)| {
                item.standing == Standing::Awaited && !known.evidence.is_under_way()
            });
            (!looks).then_some("checklist")
        }
        Phase::Deciding { prompt, .. } | Phase::Reviewing { prompt, .. }
            if *prompt != Prompt::Closed =>
        {
            Some(match prompt {
                Prompt::Reason => "reason",
                Prompt::SecondSigner => "second signer",
                Prompt::Name => "name",
                Prompt::RollBack | Prompt::Closed => "yes or no",
            })
        }
        Phase::Deciding { .. } => Some("DECIDE"),
        Phase::Reviewing { .. } => Some("review"),
        Phase::MustRollBack { asking: true, .. } => Some("yes or no"),
        Phase::MustRollBack { .. } => Some("ONLY ROLLBACK"),
        Phase::Ended(_) => Some("ended"),
        Phase::Connecting
        | Phase::Beginning { .. }
        | Phase::Applying { .. }
        | Phase::Verifying { .. }
        | Phase::TakingDown { .. }
        | Phase::Querying { .. }
        | Phase::Returning { .. }
        | Phase::Committing { .. }
        | Phase::RollingBack { .. }
        | Phase::Inquiring { .. }
        | Phase::Waiting { .. }
        | Phase::PostVerifying { .. }
        | Phase::Left(_) => None,
    }
}
