//! What a statement does that ROLLBACK does not take back: a number taken from a sequence, a file
//! written, a program run, another session ended.
//!
//! Read from the text alone, once, at load. It says what is written and what it does not know: a
//! function that it cannot look into may do anything, and is told as that. What runs because of
//! what is *in the database* is not in any text: triggers, defaults of columns, rules, views, foreign
//! tables. The hold does not rest on this; a person's judgement does, and the rule that no
//! statement with such an effect is run twice unasked.

mod calls;
mod functions;

use std::collections::{BTreeMap, BTreeSet};

use super::classify::Words;
use calls::SideEffects;

/// The name of the rule in findings.
pub const RULE: &str = "outlives-rollback";

/// One effect that outlives ROLLBACK.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lasting {
    pub beyond: Beyond,
    /// What the script calls to get it, such as `nextval` or `COPY … TO PROGRAM`. It is the script's
    /// own text in part, so it is not printable by itself.
    pub by: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Beyond {
    /// Numbers that were taken from a sequence, or the number that it goes on from.
    Numbers,
    File,
    /// A program that ran on the server.
    Program,
    /// What was done on another server.
    Elsewhere,
    /// What was done to other sessions.
    Sessions,
    /// A lock that lasts as long as the session.
    Locks,
    /// What the session itself keeps: a prepared statement, a library.
    Session,
    /// What was done to the whole server: its log, its WAL, its slots, its statistics.
    Server,
    /// It is not known: the code that runs is not in the script.
    Unknown,
}

impl Beyond {
    /// What stays, as the end of "X is called: …".
    pub fn words(self) -> &'static str {
        match self {
            Beyond::Numbers => "what it does to a sequence stays",
            Beyond::File => "the file on the server stays",
            Beyond::Program => "what the program on the server did stays",
            Beyond::Elsewhere => "what the other server did may stay",
            Beyond::Sessions => "what it does to another session stays",
            Beyond::Locks => "the lock, or its release, stays until the session ends",
            Beyond::Session => "it stays in the session until that ends",
            Beyond::Server => "what it does to the server as a whole stays",
            Beyond::Unknown => {
                "the code that runs is not in the script, so what of it stays is not known"
            }
        }
    }

    /// Whether a READ ONLY transaction lets it happen: it changes something, but nothing that the server
    /// counts as writing. Numbers it refuses, and what stays in the session ends with that.
    pub fn passes_read_only(self) -> bool {
        match self {
            Beyond::File
            | Beyond::Program
            | Beyond::Elsewhere
            | Beyond::Sessions
            | Beyond::Locks
            | Beyond::Server => true,
            Beyond::Numbers | Beyond::Session | Beyond::Unknown => false,
        }
    }

    /// Whether it reaches something that a throw-away copy of the database does not have: a file, a
    /// program, another server.
    pub fn leaves_the_server(self) -> bool {
        match self {
            Beyond::File | Beyond::Program | Beyond::Elsewhere => true,
            Beyond::Numbers
            | Beyond::Sessions
            | Beyond::Locks
            | Beyond::Session
            | Beyond::Server
            | Beyond::Unknown => false,
        }
    }
}

impl Lasting {
    fn new(beyond: Beyond, by: impl Into<String>) -> Lasting {
        Lasting {
            beyond,
            by: by.into(),
        }
    }

    /// Whether that something stays is known, and not only possible.
    pub fn is_known(&self) -> bool {
        self.beyond != Beyond::Unknown
    }

    pub fn message(&self) -> String {
        format!(
            "ROLLBACK does not take all of it back: {}: {}.",
            self.by,
            self.beyond.words()
        )
    }
}

/// What the statements before have made: a call of it is looked into.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Functions and procedures by their own name, with what their bodies do.
    routines: BTreeMap<String, SideEffects>,
    /// Sequences by their own name: what is done to them goes with them.
    sequences: BTreeSet<String>,
}

impl Made {
    /// What of the next statement outlives ROLLBACK, where what is sent of it has other words than its file.
    pub(super) fn read_sent(&mut self, text: &str, kind: &str) -> Vec<Lasting> {
        let tokens = calls::tokens(text);
        self.read(Words::new(text.as_bytes(), &tokens), kind)
    }

    /// What of the next statement outlives ROLLBACK; `words` are those that are sent.
    pub(super) fn read(&mut self, words: Words<'_>, kind: &str) -> Vec<Lasting> {
        self.sequences.extend(calls::sequences(words, kind));
        if let Some((name, body)) = calls::routine(words, kind) {
            // One of several of that name may be meant: a call has what any of them does.
            self.routines.entry(name).or_default().add(body);
            return Vec::new();
        }
        let seen = calls::read_side_effects(words, kind);
        let mut lasting = BTreeSet::new();
        let mut entered = BTreeSet::new();
        self.resolve(&seen, &mut entered, &mut lasting);
        if kind == "CREATE TRIGGER" {
            // What a trigger calls that was there before is no news.
            lasting.retain(Lasting::is_known);
        }
        lasting.into_iter().collect()
    }

    /// Follows calls into the bodies that the script brings.
    fn resolve(
        &self,
        seen: &SideEffects,
        entered: &mut BTreeSet<String>,
        lasting: &mut BTreeSet<Lasting>,
    ) {
        for (lasts, sequence) in &seen.lasting {
            let own = |name: &String| self.sequences.contains(name);
            if !sequence.as_ref().is_some_and(own) {
                lasting.insert(lasts.clone());
            }
        }
        for name in &seen.calls {
            match self.routines.get(name) {
                Some(body) => {
                    if entered.insert(name.clone()) {
                        self.resolve(body, entered, lasting);
                    }
                }
                None => {
                    lasting.insert(Lasting::new(Beyond::Unknown, format!("{name}()")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
