//! From the lines of a journal to [`Facts`], line by line, in their order.

use super::{
    Approved, Attempt, Checked, Facts, Item, Outcome, Perusal, Query, Said, Signature, Statement,
    Step,
};
use crate::gate::account::WaitsInShort;
use crate::journal::chain::Line;
use crate::journal::entry::{Decision, Entry};
use crate::journal::report::words::line;
use crate::runbook::printable::counted;
use jiff::Timestamp;

impl Facts {
    /// Gathers what `lines` say.
    pub fn of(lines: &[Line]) -> Facts {
        let mut facts = Facts {
            began: lines.first().map(|line| line.at),
            ended: lines.last().map(|line| line.at),
            ..Facts::default()
        };
        for line in lines {
            facts.take(line.at, &line.entry);
        }
        facts
    }

    /// The transaction that counts: all before it were rolled back.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    fn take(&mut self, at: Timestamp, entry: &Entry) {
        match entry {
            Entry::Opened(opened) => {
                // A walk that started over has another checklist, and what was found, acknowledged
                // or signed before was of another script.
                self.items.clear();
                for item in &opened.checklist {
                    self.item(&item.id, |known| known.title = Some(item.title.clone()));
                }
                self.opened = Some((**opened).clone());
            }
            Entry::Connected { target } => {
                self.target = serde_json::from_value(target.clone()).ok();
            }
            Entry::Evidence {
                item,
                standing,
                summary,
                lines,
                rehearsal,
            } => {
                self.item(item, |item| {
                    item.rehearsal.clone_from(rehearsal);
                    item.standing = Some(standing.clone());
                    item.found = std::iter::once(summary).chain(lines).cloned().collect();
                });
            }
            Entry::Signed {
                item,
                title,
                note,
                evidence,
            } => {
                self.item(item, |item| {
                    item.title = Some(title.clone());
                    item.signed = Some(at);
                    item.note.clone_from(note);
                    item.seen.clone_from(evidence);
                });
                self.signatures.push(Signature {
                    at,
                    title: title.clone(),
                    note: note.clone(),
                    withdrawn: false,
                });
            }
            Entry::Acknowledged { item, finding } => {
                self.item(item, |item| item.acknowledged.push(finding.clone()));
            }
            Entry::Perused {
                document,
                milliseconds,
                lines,
                shown,
                seen,
            } => self.perusals.push(Perusal {
                left: at,
                lasted: *milliseconds,
                document: document.clone(),
                lines: *lines,
                shown: *shown,
                seen: *seen,
            }),
            // What it is good for is asked by `stagegate outcome`.
            Entry::NumberDurable => {}
            Entry::Withdrawn { item } => {
                let mut title = String::new();
                self.item(item, |item| {
                    item.signed = None;
                    item.note = None;
                    title = item.name().to_owned();
                });
                self.signatures.push(Signature {
                    at,
                    title,
                    note: None,
                    withdrawn: true,
                });
            }
            Entry::Said { number, message } => self.messages.push(Said {
                at,
                number: *number,
                message: message.clone(),
            }),
            Entry::Queried {
                query,
                rows,
                more,
                error,
                disturbed,
                ..
            } => {
                let mut brought = match (rows, error) {
                    (Some(rows), _) if *more => format!("the first {rows} rows"),
                    (Some(1), _) => "1 row".to_owned(),
                    (Some(rows), _) => format!("{rows} rows"),
                    (None, Some(error)) => line(error),
                    (None, None) => "no answer".to_owned(),
                };
                if let Some(what) = disturbed {
                    brought.push_str("; the transaction was not as before: ");
                    brought.push_str(what);
                }
                self.queries.push(Query {
                    at,
                    text: query.clone(),
                    brought,
                    disturbed: disturbed.is_some(),
                });
            }
            Entry::Approved {
                xid,
                digest,
                numbers_may_differ,
                numbers_of,
                reason,
                second_signer,
                ..
            } => {
                self.step(
                    at,
                    "COMMIT was given on what was reviewed".into(),
                    Some(digest),
                );
                self.approved = Some(Approved {
                    at,
                    xid: xid.clone(),
                    digest: digest.clone(),
                    numbers_of: numbers_may_differ.then(|| numbers_of.clone()),
                    second_signer: second_signer.clone(),
                    reason: reason.clone(),
                });
            }
            Entry::Compared {
                same,
                differences,
                more,
            } => {
                let what = match same {
                    true => "it came out as approved".to_owned(),
                    false => "it came out otherwise than approved".to_owned(),
                };
                let all = differences.len() + more;
                let told = (!same).then(|| counted(all, "difference", "differences"));
                self.step(at, what, told.as_deref());
                if let Some(attempt) = self.attempts.last_mut() {
                    let mut differences = differences.clone();
                    if *more > 0 {
                        differences.push(format!("and {more} more"));
                    }
                    attempt.compared = Some(differences);
                }
            }
            Entry::BackupStarted { path, .. } => {
                self.step(at, "a backup is being made".into(), Some(path));
            }
            Entry::BackedUp {
                path,
                bytes,
                milliseconds,
                sha256,
                ..
            } => {
                let what = format!("backed up in {milliseconds} ms");
                let file = format!("{path}, {bytes} bytes, SHA-256 {sha256}");
                self.step(at, what, Some(&file));
            }
            Entry::BackupFailed { why } => self.step(at, "no backup".into(), Some(why)),
            Entry::Phase { phase, why } => self.phase(at, phase, why.as_deref()),
            Entry::Alarm { alarm } => self.step(at, format!("alarm: {alarm}"), None),
            Entry::Left { code } => {
                self.left = Some(*code);
                self.step(at, format!("left with exit code {code}"), None);
            }
            Entry::Blocked { number, by } => {
                for who in by {
                    let what = match number {
                        Some(number) => format!("statement {number} waited for a lock"),
                        None => "the script waited for a lock".to_owned(),
                    };
                    self.step(at, what, Some(&format!("blocked by {who}")));
                }
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.blocked.clone_from(by);
                }
            }
            Entry::Waited {
                sessions,
                more,
                milliseconds,
                who,
            } => {
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.waited = Some(WaitsInShort {
                        sessions: *sessions,
                        more: *more,
                        longest: *milliseconds,
                        who: who.clone(),
                    });
                }
            }
            Entry::Begun { .. }
            | Entry::Statement { .. }
            | Entry::Checked { .. }
            | Entry::Intent { .. }
            | Entry::Outcome { .. } => self.of_transaction(at, entry),
        }
    }

    /// An outcome is of the transaction that was begun last, or of a run without any.
    fn ended(&mut self, outcome: Outcome) {
        self.step(outcome.at, outcome.word.clone(), Some(&outcome.proof));
        match self.attempts.last_mut() {
            None => self.outcome = Some(outcome),
            Some(attempt) => {
                // While it is unknown the locks may be held still. Asked for once more, an outcome
                // does not move the moment at which they went.
                if outcome.word != "UNKNOWN" {
                    attempt.ended.get_or_insert(outcome.at);
                }
                attempt.outcome = Some(outcome);
            }
        }
    }

    fn of_transaction(&mut self, at: Timestamp, entry: &Entry) {
        if let Entry::Outcome {
            outcome,
            why,
            proof,
            ..
        } = entry
        {
            self.ended(Outcome {
                at,
                word: outcome.clone(),
                why: why.as_deref().map(of_a_third),
                proof: proof.clone(),
            });
            return;
        }
        if let Entry::Intent {
            decision,
            xid,
            second_signer,
            ..
        } = entry
        {
            let word = match decision {
                Decision::Commit => "COMMIT",
                Decision::RollBack => "ROLLBACK",
            };
            let second = second_signer
                .as_ref()
                .map_or_else(String::new, |name| format!("; second signer {name}"));
            let of = xid
                .as_ref()
                .map(|xid| format!("for transaction {xid}{second}"));
            self.step(at, format!("{word} is about to be sent"), of.as_deref());
        }
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        match entry {
            Entry::Begun { xid, added } => {
                attempt.xid = Some(xid.clone());
                attempt.added.clone_from(added);
            }
            Entry::Intent {
                decision: Decision::Commit,
                reason,
                second_signer,
                ..
            } => {
                attempt.answered = Some(at);
                attempt.commit_intended = true;
                attempt.reason.clone_from(reason);
                attempt.second_signer.clone_from(second_signer);
            }
            Entry::Checked {
                stage,
                name,
                verdict,
                detail,
            } => {
                let stage = if stage == "verification" {
                    &mut attempt.verification
                } else {
                    &mut attempt.post_verification
                };
                stage.push(Checked {
                    name: name.clone(),
                    verdict: verdict.clone(),
                    detail: detail.clone(),
                });
            }
            Entry::Statement {
                number,
                line,
                file,
                section,
                kind,
                relation,
                about,
                milliseconds,
                waited,
                tag,
                rows,
                locks,
                error,
            } => attempt.statements.push(Statement {
                at,
                number: *number,
                place: match file {
                    Some(file) => format!("{file} line {line}"),
                    None => format!("line {line}"),
                },
                section: section.clone(),
                what: match about.as_ref().or(relation.as_ref()) {
                    Some(relation) => format!("{kind} {relation}"),
                    None => kind.clone(),
                },
                milliseconds: *milliseconds,
                waited: waited.unwrap_or_default(),
                tag: tag.clone(),
                rows: *rows,
                locks: locks.clone(),
                error: error.clone(),
            }),
            Entry::Intent {
                decision: Decision::RollBack,
                ..
            } => {
                attempt.answered.get_or_insert(at);
            }
            _ => {}
        }
    }

    fn phase(&mut self, at: Timestamp, phase: &str, why: Option<&str>) {
        self.step(at, phase.to_owned(), why);
        if phase == "beginning" {
            self.attempts.push(Attempt {
                began: Some(at),
                approved: self.approved.clone(),
                ..Attempt::default()
            });
            return;
        }
        // What was approved is over where the run comes back to a person.
        if matches!(phase, "reviewing" | "checklist") {
            self.approved = None;
        }
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        if attempt.is_verified(phase) {
            attempt.verdict.get_or_insert(at);
        }
        match phase {
            // It opens anew after each query; the decision was there to be made from the first time on.
            "deciding" => {
                attempt.decided.get_or_insert(at);
            }
            "must roll back" | "rolling back" => attempt.why = why.map(of_a_third),
            "reviewing" => {
                attempt.ended.get_or_insert(at);
                attempt.let_go = true;
                attempt.retried = Some(why.unwrap_or("the server's answer").to_owned());
            }
            "waiting for the next attempt" => {
                attempt.ended.get_or_insert(at);
                attempt.retried = Some(why.unwrap_or("the server's answer").to_owned());
            }
            _ => {}
        }
    }

    fn step(&mut self, at: Timestamp, what: String, why: Option<&str>) {
        self.course.push(Step {
            at,
            what,
            why: why.map(of_a_third),
        });
    }

    fn item(&mut self, id: &str, change: impl FnOnce(&mut Item)) {
        if let Some(item) = self.items.iter_mut().find(|item| item.id == id) {
            return change(item);
        }
        let mut item = Item {
            id: id.to_owned(),
            ..Item::default()
        };
        change(&mut item);
        self.items.push(item);
    }
}

impl Attempt {
    /// Whether the run came to this phase because the last statement's end was known.
    fn is_verified(&self, phase: &str) -> bool {
        let unfailed = self.failed().is_none() && !self.statements.is_empty();
        unfailed
            && matches!(
                phase,
                "deciding"
                    | "must roll back"
                    | "taking down the structure"
                    | "committing"
                    | "rolling back"
            )
    }
}

/// A reason for somebody who was not there: the journal says "you" to the person who was.
fn of_a_third(why: &str) -> String {
    match why.strip_prefix("you ") {
        Some(rest) => format!("the person at the terminal {rest}"),
        None => why.to_owned(),
    }
}
