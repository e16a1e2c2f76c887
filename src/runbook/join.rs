//! Several scripts as one: the statements that one transaction is to hold, each with its own file,
//! line and section.
//!
//! Nothing is rewritten: a statement keeps its text and its place. What the program adds is a
//! source of its own, named as the program's (I11). What stands against running one of the scripts
//! stands against running them together.

use std::collections::HashMap;

use super::script::{Echo, Fate, Finding, LateFindings, Script, ScriptRefusal, Section, Statement};

/// What the name of a source that the program adds begins with.
const ADDED: &str = "added by stagegate: ";

pub(super) struct Joined {
    script: Script,
    /// Where a section of a part is now: its first source and its number there.
    sections: HashMap<(usize, usize), usize>,
    /// The number that a statement of a part has now, by its place there.
    numbers: HashMap<(usize, usize), usize>,
}

/// A script that was laid beside the others: where its sources begin.
#[derive(Clone, Copy)]
pub(super) struct JoinedPart<'a> {
    script: &'a Script,
    base: usize,
    /// Where its files of data begin.
    data: usize,
}

impl Joined {
    pub(super) fn new(name: String) -> Joined {
        Joined {
            script: Script::of(name, Vec::new()),
            sections: HashMap::new(),
            numbers: HashMap::new(),
        }
    }

    /// Lays a script beside the others; its statements come with [`Joined::take`].
    pub(super) fn part<'a>(&mut self, script: &'a Script) -> JoinedPart<'a> {
        let base = self.script.sources.len();
        // They are the command line's, so every part has the same.
        self.script.variables.clone_from(&script.variables);
        self.script.sources.extend(script.sources.iter().cloned());
        let data = self.script.data.len();
        self.script.data.extend(script.data.iter().cloned());
        JoinedPart { script, base, data }
    }

    /// Takes the statements of a part for which `keep` has a fate, in their order, behind what is
    /// there already. A statement is taken once.
    pub(super) fn take(
        &mut self,
        part: JoinedPart<'_>,
        mut keep: impl FnMut(&Statement) -> Option<Fate>,
    ) {
        let mut echoes = part.script.echoes.iter().peekable();
        for (index, statement) in part.script.statements.iter().enumerate() {
            let place = (part.base, index);
            if self.numbers.contains_key(&place) {
                continue;
            }
            let Some(fate) = keep(statement) else {
                continue;
            };
            let number = self.script.last_number() + usize::from(!fate.is_the_gates());
            self.numbers.insert(place, number);
            while let Some(echo) = echoes.next_if(|echo| echo.behind <= index) {
                if echo.behind == index {
                    self.script.echoes.push(Echo {
                        behind: self.script.statements.len(),
                        text: echo.text.clone(),
                    });
                }
            }
            let section = statement.section.and_then(|section| {
                let title = part.script.sections.get(section)?;
                let sections = &mut self.script.sections;
                Some(
                    *self
                        .sections
                        .entry((part.base, section))
                        .or_insert_with(|| {
                            sections.push(title.clone());
                            sections.len() - 1
                        }),
                )
            });
            let mut joined = Statement {
                number,
                section,
                source: part.base + statement.source,
                fate,
                ..statement.clone()
            };
            if let Some(file) = joined
                .seldom
                .as_mut()
                .and_then(|seldom| seldom.data_file.as_mut())
            {
                *file += part.data;
            }
            self.script.statements.push(joined);
        }
    }

    pub(super) fn whole(&mut self, script: &Script) {
        let part = self.part(script);
        self.take(part, |statement| Some(statement.fate));
        self.weigh(part);
    }

    /// Takes SQL of the program's own, under a section of that name.
    pub(super) fn add(&mut self, what: &str, sql: &str) {
        let mut added = Script::read(&format!("{ADDED}{what}"), None, sql.as_bytes());
        let title = format!("{ADDED}{what}");
        added.sections = vec![Section { title }];
        for statement in &mut added.statements {
            statement.section = Some(0);
        }
        // The linter's rules are about what stays; nothing of this does.
        added.findings = LateFindings::default();
        added.variables.clone_from(&self.script.variables);
        self.whole(&added);
    }

    /// Takes over what stands against a part, once its statements are taken.
    pub(super) fn weigh(&mut self, part: JoinedPart<'_>) {
        let at = |number: Option<usize>| {
            let index = part.script.index_of(number?)?;
            self.numbers.get(&(part.base, index)).copied()
        };
        for refusal in &part.script.refusals {
            self.script.refusals.push(ScriptRefusal {
                source: part.base + refusal.source,
                statement: at(refusal.statement),
                ..refusal.clone()
            });
        }
        let findings = part.script.findings().iter().map(|finding| Finding {
            source: part.base + finding.source,
            statement: at(finding.statement),
            ..finding.clone()
        });
        self.script.findings.add(findings);
    }

    pub(super) fn script(self) -> Script {
        self.script
    }
}
