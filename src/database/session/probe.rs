//! What the server itself says for the checklist, and the post-verification.
//!
//! Everything here runs as [`read_only`] runs it.

mod around;

use std::sync::Arc;

use super::{Claim, measure};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::actor::{Actor, Posting};
use super::asked::looks_at_structure;
use super::evidence::{connection_evidence, evidence_of_checks, refused, stopped_evidence};
use super::posting::{UNGUARDED, guard_told, wait_for_post};
use super::read_only::{self, Flight, ReadOnlyLimits, Stopped};
use crate::database::link::BrokenLink;
use crate::database::message;
use crate::database::others::Exclusive;
use crate::database::sentry::Sentry;
use crate::facts::{Evidence, ServerMessage, Standing, Target};
use crate::gate::event::{Body, Report, Seq};
use crate::runbook::encoding::Charset;
use crate::runbook::objects::Name;
use crate::runbook::script::Script;
use crate::runbook::{ItemKind, rehearsal};
use around::Around;

/// SQLSTATE of a statement that was cancelled, by a person or by its own limit.
const CANCELLED: &str = "57014";

/// What a person has to know of a database that keeps bytes of any encoding.
fn any_bytes(charset: Charset) -> String {
    let (name, escaped) = match charset {
        Charset::Utf8 => ("UTF-8", "is no UTF-8"),
        Charset::Single(_) => (charset.name(), "has no letter in it"),
    };
    format!(
        "encoding   SQL_ASCII: the database keeps bytes of any encoding and converts none. The script \
         is sent byte for byte and what comes is read in {name}; if the data are in another encoding, \
         letters beyond ASCII will not match theirs. A byte that {escaped} is shown as an escape, such \
         as \\x81."
    )
}

impl Actor {
    pub(super) async fn probe(&mut self, seq: Seq, items: Vec<usize>) -> Result<(), BrokenLink> {
        let runbook = Arc::clone(&self.runbook);
        let mut around = self.look_around(&items, &runbook).await?;
        let is_connection = |item: &usize| {
            let item = runbook.items.get(*item);
            item.is_some_and(|item| item.kind == ItemKind::Connection)
        };
        let (connection, others): (Vec<usize>, Vec<usize>) =
            items.into_iter().partition(is_connection);
        let mut reached = Vec::new();
        for item in connection {
            let found = self.connection(around.target.clone())?;
            // Told once: where the structure is looked at, else here.
            let found = match around.traffic.take_if(|_| !looks_at_structure(&runbook)) {
                Some(first) => self.add_traffic(found, first).await?,
                None => found,
            };
            reached.push((item, found));
        }
        let holds = reached.iter().any(|(_, f)| f.standing != Standing::Fails);
        let posting = match holds {
            true => self.posting_under_way(),
            false => None,
        };
        // Its start takes a moment, in which the files of checks are run.
        let telling = Telling {
            reports: self.reports.clone(),
            seq,
            unguarded: self.unguarded(),
        };
        let telling = telling.tell_reached(reached, posting);
        let before = around.before.clone();
        let (posted, done) = tokio::join!(telling, self.probe_others(seq, others, around));
        if let Some(posted) = posted {
            self.take_post(posted);
        }
        done?;
        let tables = runbook.impact().tables.iter();
        let names: Vec<Name> = tables.map(|table| table.name.clone()).collect();
        let measure = measure::measure_tables(self.link()?, &names, before.wait()).await?;
        self.say(seq, Body::Measured(measure));
        Ok(())
    }

    /// The evidence of every item but that of the connection, one after the other.
    async fn probe_others(
        &mut self,
        seq: Seq,
        items: Vec<usize>,
        mut around: Around<'_>,
    ) -> Result<(), BrokenLink> {
        let runbook = Arc::clone(&self.runbook);
        for item in items {
            let Some(asked) = runbook.items.get(item) else {
                continue;
            };
            let evidence = match asked.kind {
                ItemKind::Structure => {
                    let found = match &runbook.expected_state {
                        Some(script) => {
                            let flown = around.file.take();
                            self.checks(script, &around.before, flown).await?
                        }
                        None => Evidence {
                            standing: Standing::Warns,
                            summary: "the runbook has no expected-state file".into(),
                            ..Evidence::default()
                        },
                    };
                    match around.traffic.take() {
                        Some(first) => self.add_traffic(found, first).await?,
                        None => found,
                    }
                }
                ItemKind::Checks => match &asked.checks {
                    Some(script) => {
                        let flown = around.file.take();
                        let mut found = self.checks(script, &around.before, flown).await?;
                        found
                            .lines
                            .insert(0, format!("SHA-256 {}", script.sha256()));
                        found
                    }
                    None => Evidence {
                        standing: Standing::Fails,
                        summary: "the item has no file of checks".into(),
                        ..Evidence::default()
                    },
                },
                ItemKind::Connection
                | ItemKind::Backup
                | ItemKind::Review
                | ItemKind::Rollback
                | ItemKind::Attest => continue,
            };
            self.say(seq, Body::Probed { item, evidence });
        }
        Ok(())
    }

    fn connection(
        &mut self,
        target: Result<Target, ServerMessage>,
    ) -> Result<Evidence, BrokenLink> {
        let target = match target {
            Ok(target) => target,
            Err(why) => {
                return Ok(Evidence {
                    standing: Standing::Fails,
                    summary: message::line(&why),
                    ..Evidence::default()
                });
            }
        };
        self.target = Some(target.clone());
        let mut found = connection_evidence(&target, &self.runbook);
        if self.link()?.keeps_any_bytes() && found.standing != Standing::Fails {
            found.standing = Standing::Warns;
            found.summary.push_str("; its encoding is SQL_ASCII");
            found.lines.push(any_bytes(self.link()?.charset()));
        }
        let letters = self.runbook.letters_in();
        if let Some(why) = self.link()?.objection_to_letters(letters) {
            found.standing = Standing::Fails;
            found.lines.insert(0, found.summary);
            found.summary = why;
        }
        Ok(found)
    }

    /// The rows of a file of checks as evidence. What is refused in it is never sent.
    async fn checks(
        &mut self,
        script: &Script,
        before: &Exclusive,
        flown: Option<Flight<'_>>,
    ) -> Result<Evidence, BrokenLink> {
        if !script.refusals.is_empty() {
            return Ok(refused(script));
        }
        let limit = self.options.read_timeout;
        let runbook = Arc::clone(&self.runbook);
        let path = runbook.search_path.checks.as_deref();
        let limits = ReadOnlyLimits {
            statement: limit,
            lock: Some(before.wait()),
        };
        let found = match flown {
            Some(flight) => {
                let found = read_only::land_script(self.link()?, flight).await?;
                // Where nobody may ask who is in the way, nothing can be run behind that.
                let unopened = |stopped: &Stopped| before.unseen && stopped.number == 0;
                (!found.as_ref().is_err_and(unopened)).then_some(found)
            }
            None => None,
        };
        let found = match found {
            Some(found) => found,
            None => read_only::script(self.link()?, script, limits, path).await?,
        };
        let stopped = match found {
            Ok(results) => return Ok(evidence_of_checks(&script.name, results)),
            Err(stopped) => stopped,
        };
        let by_person = self.line.cancel_asked();
        let silence = match stopped.error.sqlstate.as_deref() {
            Some(CANCELLED) if by_person => Some("it was cancelled".to_owned()),
            _ => before.silence(self.link()?, &stopped.error).await?,
        };
        Ok(match silence {
            Some(why) => Evidence {
                standing: Standing::Silent,
                summary: format!("{}: {why}", script.name),
                ..stopped_evidence(script, &stopped)
            },
            None => stopped_evidence(script, &stopped),
        })
    }

    /// Whether the structure is one that was rehearsed.
    pub(super) async fn compare(
        &mut self,
        seq: Seq,
        item: usize,
        claim: oneshot::Receiver<Claim>,
    ) -> Result<(), BrokenLink> {
        let Ok(claim) = claim.await else {
            return Ok(());
        };
        let evidence = match self.structure_digest().await? {
            Ok(now) => {
                let mut rehearsed = claim.rehearsed.into_iter();
                let same = rehearsed.find(|(structure, _)| *structure == now);
                same.map_or(claim.otherwise, |(_, evidence)| evidence)
            }
            Err(why) => {
                let mut otherwise = claim.otherwise;
                otherwise.summary = "the structure cannot be compared with the rehearsed one; the \
                         rollback scripts are to be read to the end"
                    .into();
                otherwise.lines.insert(0, message::line(&why));
                otherwise
            }
        };
        self.say(seq, Body::Probed { item, evidence });
        Ok(())
    }

    async fn structure_digest(&mut self) -> Result<Result<String, ServerMessage>, BrokenLink> {
        let texts = rehearsal::digest_now();
        let queries = read_only::unnumbered(&texts);
        let limits = ReadOnlyLimits {
            statement: self.options.read_timeout,
            lock: Some(self.options.lock_timeout),
        };
        let mut digest = None;
        for answer in read_only::each(self.link()?, &queries, limits).await? {
            match answer {
                Ok(report) => {
                    let rows = report.result.map(|result| result.rows).unwrap_or_default();
                    digest = rows.into_iter().flatten().flatten().next().or(digest);
                }
                Err(stopped) => return Ok(Err(stopped.error)),
            }
        }
        Ok(digest.ok_or_else(|| message::own("the server did not tell its structure")))
    }

    pub(super) async fn post_verify(&mut self, seq: Seq) -> Result<(), BrokenLink> {
        let runbook = Arc::clone(&self.runbook);
        let Some(script) = &runbook.post_verification else {
            let results = Vec::new();
            self.say(seq, Body::PostVerified { results });
            return Ok(());
        };
        if self.link.is_none()
            && let Err(why) = self.reach(None).await
        {
            self.say(seq, Body::PostVerifyFailed(Box::new(why)));
            return Ok(());
        }
        let limit = self.options.read_timeout;
        let path = runbook.search_path.checks.as_deref();
        let limits = ReadOnlyLimits {
            statement: limit,
            lock: None,
        };
        let body = match read_only::script(self.link()?, script, limits, path).await {
            Ok(Ok(results)) => Body::PostVerified { results },
            Ok(Err(stopped)) => Body::PostVerifyFailed(Box::new(ServerMessage {
                context: Some(format!(
                    "{}, statement {} (line {})",
                    script.name, stopped.number, stopped.line
                )),
                ..stopped.error
            })),
            Err(broken) => {
                let why = broken.why();
                self.dropped(&why);
                Body::PostVerifyFailed(Box::new(why))
            }
        };
        self.say(seq, body);
        Ok(())
    }
}

/// What is told while the actor does something else.
struct Telling {
    reports: UnboundedSender<Report>,
    seq: Seq,
    /// Why nobody watches over the hold, as it was told last.
    unguarded: Option<String>,
}

impl Telling {
    fn say(&self, body: Body) {
        // Nobody listens any more: the run is over.
        let seq = self.seq;
        let _ = self.reports.send(Report { seq, body });
    }

    /// Tells what was reached, once it is known whether somebody watches over a hold there: whoever signs
    /// knows then that nobody does. Returns who does.
    async fn tell_reached(
        self,
        reached: Vec<(usize, Evidence)>,
        posting: Option<Posting>,
    ) -> Option<Result<Sentry, String>> {
        let posted = match posting {
            Some(posting) => Some(wait_for_post(posting).await),
            None => None,
        };
        if let Some(posted) = &posted {
            let missing = posted.as_ref().err().cloned();
            if missing != self.unguarded {
                self.say(guard_told(missing));
            }
        }
        for (item, mut evidence) in reached {
            if evidence.standing != Standing::Fails
                && let Some(Err(why)) = &posted
            {
                evidence.standing = Standing::Warns;
                evidence
                    .summary
                    .push_str("; no process watches over the hold beside this one");
                let line = format!("guard      cannot be started ({why}): {UNGUARDED}");
                evidence.lines.insert(0, line);
            }
            self.say(Body::Probed { item, evidence });
        }
        posted
    }
}
