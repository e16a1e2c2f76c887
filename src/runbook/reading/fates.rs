//! What becomes of the statements that open, divide or end a transaction: it depends on where they
//! stand.
//!
//! Nothing here may let a script end or leave the one transaction. Savepoints divide it, and what goes
//! back to one stays inside.

use super::super::admission::Admission;
use super::super::script::{Fate, Finding, ScriptRefusal, Statement};
use super::ScriptReading;

/// What the names of the program's own savepoints begin with.
const OUR_OWN: &str = "stagegate";

/// Where the reading of the statements stands.
struct Course {
    /// Nothing but settings so far, and no BEGIN.
    only_settings: bool,
    /// Nothing so far that takes a snapshot.
    nothing_asked: bool,
    /// SET TRANSACTION was taken over.
    is_set: bool,
    /// The savepoints that are open, and the number of each one's statement.
    open: Vec<(String, usize)>,
}

const OURS: &str =
    "savepoints whose names begin with stagegate are the program's own; name it otherwise";
const LATE_SET: &str = "a transaction takes its isolation level before its first query; move SET \
                        TRANSACTION before all other statements";
const EARLY_SET: &str =
    "SET TRANSACTION before BEGIN is about no transaction; move it behind BEGIN";
const LATE_BEGIN: &str = "the whole script is one transaction, which the gate opens; only a BEGIN \
                          before all other statements is taken over: remove this one";
const EARLY_COMMIT: &str = "a COMMIT before the end would take the decision away; remove it, or make \
                            several scripts. Only one that is the last statement is held for the gate";
const EARLY_ROLLBACK: &str = "the script would roll back by itself in the middle; remove the \
                              statement, the decision is made at the gate. As the last statement it \
                              makes the run a rehearsal";

impl ScriptReading {
    /// What becomes of BEGIN, COMMIT and their kind.
    pub(super) fn settle_fates(&mut self) {
        let mut admissions = std::mem::take(&mut self.admissions).into_iter().peekable();
        let told = (self.script.refusals.len(), self.own_findings.len());
        let last = self.script.statements.len().saturating_sub(1);
        let mut course = Course {
            only_settings: true,
            nothing_asked: true,
            is_set: false,
            open: Vec::new(),
        };
        let mut before = 0;
        for (index, statement) in self.script.statements.iter_mut().enumerate() {
            let own = admissions.next_if(|(at, _)| *at == index);
            let admission = own.map_or(Admission::Inside, |(_, admission)| admission);
            statement.fate = course.fate_of(&admission, index == last);
            statement.number = before + usize::from(!statement.fate.is_the_gates());
            before = statement.number;
            let reason = match admission {
                Admission::Inside => {
                    let sets = statement.kind == "SET";
                    course.only_settings &= sets;
                    course.nothing_asked &= sets;
                    continue;
                }
                Admission::Begin if statement.fate == Fate::TakenOver => {
                    course.only_settings = false;
                    continue;
                }
                Admission::SetTransaction if statement.fate == Fate::TakenOver => {
                    course.is_set = true;
                    continue;
                }
                Admission::Commit | Admission::RollBack if statement.fate.is_the_gates() => {
                    continue;
                }
                Admission::Savepoint(name) => {
                    course.only_settings = false;
                    course.nothing_asked = false;
                    if !name.starts_with(OUR_OWN) {
                        course.open.push((name, statement.number));
                        continue;
                    }
                    OURS.to_owned()
                }
                Admission::Release(name) => match course.find(&name) {
                    Some(at) => {
                        course.open.truncate(at);
                        continue;
                    }
                    None => no_savepoint(&name),
                },
                Admission::BackTo(name) => match course.find(&name) {
                    Some(at) => {
                        course.open.truncate(at + 1);
                        let since = course.open.last().map_or(0, |(_, number)| *number);
                        statement.goes_back = true;
                        let found = undone(statement, &name, since);
                        self.own_findings.extend(found);
                        continue;
                    }
                    None => no_savepoint(&name),
                },
                Admission::SetTransaction => LATE_SET.to_owned(),
                Admission::Begin if course.only_settings => EARLY_SET.to_owned(),
                Admission::Begin => LATE_BEGIN.to_owned(),
                Admission::Commit => EARLY_COMMIT.to_owned(),
                Admission::RollBack => EARLY_ROLLBACK.to_owned(),
                Admission::Refused(reason) => reason,
            };
            let refusal = refusal(statement, reason);
            self.script.refusals.push(refusal);
        }
        self.number_anew(told);
    }

    /// Has what was told of statements by their places, before it was known which are the gate's, name
    /// their numbers: so many refusals and findings.
    fn number_anew(&mut self, (refusals, findings): (usize, usize)) {
        let statements = &self.script.statements;
        let number_at = |place: usize| match statements.get(place.saturating_sub(1)) {
            Some(statement) => statement.number,
            // It stands inside of one that never ended.
            None => self.script.last_number() + 1,
        };
        let refusals = self.script.refusals.iter().take(refusals);
        let refusals: Vec<_> = refusals.map(|told| told.statement.map(number_at)).collect();
        for finding in self.own_findings.iter_mut().take(findings) {
            finding.statement = finding.statement.map(number_at);
        }
        for (_, number) in self.laid.iter_mut().flat_map(|linted| &mut linted.ends) {
            *number = number_at(*number);
        }
        for (told, number) in self.script.refusals.iter_mut().zip(refusals) {
            told.statement = number;
        }
    }
}

impl Course {
    /// What becomes of a statement where the reading stands.
    fn fate_of(&self, admission: &Admission, is_last: bool) -> Fate {
        match admission {
            Admission::Begin if self.only_settings && !self.is_set => Fate::TakenOver,
            Admission::SetTransaction if self.nothing_asked => Fate::TakenOver,
            Admission::Commit if is_last => Fate::Held,
            Admission::RollBack if is_last => Fate::Ends,
            _ => Fate::Sent,
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.open.iter().rposition(|(open, _)| open == name)
    }
}

fn refusal(statement: &Statement, reason: String) -> ScriptRefusal {
    ScriptRefusal {
        source: statement.source,
        line: statement.line,
        column: statement.column,
        statement: Some(statement.number),
        reason,
    }
}

fn no_savepoint(name: &str) -> String {
    format!("no savepoint {name} is open here, so the server would end the run with an error")
}

/// What a person has to know of a script that takes back a part of itself.
fn undone(statement: &Statement, name: &str, since: usize) -> Option<Finding> {
    let (first, last) = (since + 1, statement.number - 1);
    (first <= last).then(|| Finding {
        source: statement.source,
        line: statement.line,
        statement: Some(statement.number),
        rule: "undoes-a-part".to_owned(),
        message: format!(
            "It goes back to savepoint {name}: what {} did is undone, and a check among it has seen \
             what is not there any more.",
            match first == last {
                true => format!("statement {first}"),
                false => format!("statements {first} to {last}"),
            }
        ),
        help: None,
    })
}
