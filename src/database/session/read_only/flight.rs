//! A READ ONLY transaction in one flight: BEGIN, what bounds it, each query with a guard behind it,
//! ROLLBACK; one round trip, however many queries there are.
//!
//! Every text is one command, and none begins before the ones ahead of it have succeeded: behind a
//! query that failed, or a guard that found it out of the transaction, the server passes over the
//! rest by itself.

use std::time::Duration;

use super::proof::{self, ReadOnlyProof};
use super::{Asker, PINNED, ReadOnlyLimits, ReadOnlyQuery, SILENCE, Stopped, literal};
use crate::database::link::{Answer, BrokenLink, Gathered, Link, Sent, Unsent};
use crate::database::message;
use crate::database::session::answers::{millis, report};
use crate::database::tap::Status;
use crate::facts::{ServerMessage, StatementReport};
use crate::runbook::check::TapPlan;
use crate::runbook::script::Script;

/// Queries on their way.
pub struct Flight<'q> {
    queries: Vec<ReadOnlyQuery<'q>>,
    on_its_way: OnItsWay,
}

/// The same without the queries' texts, and what is known of them already.
pub struct OnItsWay {
    /// The chain; `None` where its text could not be sent.
    chain: Option<Sent>,
    back: Sent,
    /// How many commands go before the first query.
    head: usize,
    /// How many queries.
    sent: usize,
    /// Why what comes behind the queries in flight is not sent.
    refused: Option<Stopped>,
    silence: Duration,
}

/// Sends queries in one READ ONLY transaction, up to the first that may not be sent.
pub(super) async fn send<'q>(
    link: &mut Link,
    mut queries: Vec<ReadOnlyQuery<'q>>,
    limits: ReadOnlyLimits,
    asker: Asker<'_>,
) -> Result<Flight<'q>, BrokenLink> {
    let opening = opening(limits, asker, link);
    let mut refused = None;
    let mut texts: Vec<&str> = opening.iter().map(String::as_str).collect();
    let head = texts.len();
    let mut sent = 0;
    for query in &queries {
        if let Some(why) = objection(query) {
            refused = Some(stopped(query, why));
            break;
        }
        texts.extend([query.text, proof::GUARD]);
        sent += 1;
    }
    let chain = match link.send_chain(&texts).await {
        Ok(chain) => Some(chain),
        Err(Unsent::Gone(broken)) => return Err(broken),
        Err(Unsent::Text(why)) => {
            refused = Some(Stopped {
                number: 0,
                line: 0,
                error: why,
                escaped: false,
            });
            None
        }
    };
    let back = link.send_ours("ROLLBACK").await?;
    queries.truncate(sent);
    Ok(Flight {
        queries,
        on_its_way: OnItsWay {
            chain,
            back,
            head,
            sent,
            refused,
            silence: Duration::from_millis(limits.statement) + SILENCE,
        },
    })
}

/// Ends what a cancelled ROLLBACK has left open. Nothing else may be under way.
pub(super) async fn close(link: &mut Link) -> Result<(), BrokenLink> {
    if link.status() != Status::Idle {
        let again = link.send_ours("ROLLBACK").await?;
        link.answer_within(again, SILENCE).await?;
    }
    Ok(())
}

/// What stands against sending a query at all.
fn objection(query: &ReadOnlyQuery<'_>) -> Option<ServerMessage> {
    if query.copies {
        return Some(message::own(
            "COPY may write files and run programs, which READ ONLY does not prevent; a file \
             of checks asks with SELECT",
        ));
    }
    if let Some(lasts) = query.stays {
        return Some(message::own_with_hint(
            format!(
                "{} is not run where only looking is meant: {}",
                lasts.by,
                lasts.beyond.words()
            ),
            "READ ONLY does not prevent it; nothing of this statement was sent",
        ));
    }
    query
        .text
        .contains('\0')
        .then(|| message::own("the text holds a NUL character, which the protocol cannot carry"))
}

/// One command each. The last one tells what the proof rests on.
fn opening(limits: ReadOnlyLimits, asker: Asker<'_>, link: &Link) -> Vec<String> {
    let set = |name: &str, value: String| format!("pg_catalog.set_config('{name}', {value}, true)");
    let bounded = |name: &str, limit| set(name, literal(&format!("{limit}ms")));
    let mut bounds = vec![
        bounded("statement_timeout", limits.statement),
        // For a client that is lost between two statements.
        bounded("idle_in_transaction_session_timeout", limits.statement),
    ];
    if link.checks_client() {
        // Nobody listens any more: then it neither works nor stands in a queue for a lock.
        bounds.push(set("client_connection_check_interval", literal("1s")));
    }
    // The bytes of a SQL_ASCII database come as they are.
    let any_bytes = link.takes_bytes_in();
    bounds.extend(any_bytes.map(|encoding| set("client_encoding", literal(encoding))));
    // Their order counts: the schemas are those of the session's own path.
    let mut rest = vec![set(
        "stagegate.schemas",
        "pg_catalog.current_schemas(true)::pg_catalog.text".into(),
    )];
    rest.extend(match asker {
        Asker::FileAhead { lock, .. } => Some(set("lock_timeout", lock.into())),
        Asker::Program | Asker::File(_) => limits.lock.map(|lock| bounded("lock_timeout", lock)),
    });
    let path = match asker {
        Asker::File(path) | Asker::FileAhead { path, .. } => path,
        Asker::Program => {
            // With many tables the planner takes a question to the catalogs for one that is worth being
            // compiled, which then takes longer than what it saves.
            rest.push(set("jit", literal("off")));
            None
        }
    };
    rest.push(set("search_path", literal(path.unwrap_or(PINNED))));
    rest.push(set("stagegate.began", proof::BEGAN.into()));
    vec![
        "BEGIN READ ONLY".to_owned(),
        format!("SELECT {}", bounds.join(", ")),
        format!("SELECT {}", rest.join(", ")),
        proof::QUESTION.to_owned(),
    ]
}

fn stopped(query: &ReadOnlyQuery<'_>, error: ServerMessage) -> Stopped {
    Stopped {
        number: query.number,
        line: query.line,
        error,
        escaped: false,
    }
}

impl OnItsWay {
    /// One question, with its text.
    pub fn with_question(self, question: &str) -> Flight<'_> {
        self.with(vec![ReadOnlyQuery::from(question)])
    }

    /// A file, with its text.
    pub fn with_script(self, script: &Script) -> Flight<'_> {
        self.with(script.sent().map(ReadOnlyQuery::from).collect())
    }

    fn with(self, mut queries: Vec<ReadOnlyQuery<'_>>) -> Flight<'_> {
        queries.truncate(self.sent);
        Flight {
            queries,
            on_its_way: self,
        }
    }
}

impl<'q> Flight<'q> {
    /// Without the texts, for whoever hears the answers when these are at hand again.
    pub fn apart(self) -> OnItsWay {
        self.on_its_way
    }

    /// The rows of the one question that was sent, or why there are none.
    pub async fn rows(
        self,
        link: &mut Link,
    ) -> Result<Result<Vec<Vec<Option<String>>>, ServerMessage>, BrokenLink> {
        let (results, stopped) = self.land(link).await?;
        Ok(match stopped {
            Some(stopped) => Err(stopped.error),
            None => {
                let results = results.into_iter().filter_map(|report| report.result);
                Ok(results.flat_map(|set| set.rows).collect())
            }
        })
    }

    /// Reads the answers: what the queries found, and the first that did not succeed. Whoever has
    /// nothing more under way looks then whether the transaction is over ([`close`]).
    pub(super) async fn land(
        mut self,
        link: &mut Link,
    ) -> Result<(Vec<StatementReport>, Option<Stopped>), BrokenLink> {
        let silence = self.on_its_way.silence;
        let answer = match self.on_its_way.chain.take() {
            Some(chain) => Some(link.answer_within(chain, silence).await?),
            None => None,
        };
        let otherwise = link.reads_otherwise();
        let (results, stopped) = match answer {
            Some(answer) => self.read(link, answer, otherwise),
            None => (Vec::new(), None),
        };
        if stopped.as_ref().is_some_and(|stopped| stopped.escaped) {
            // Whatever it opened the way to, nothing follows; the server rolls back.
            link.sever();
            return Ok((results, stopped));
        }
        let OnItsWay { back, refused, .. } = self.on_its_way;
        link.answer_within(back, silence).await?;
        Ok((results, stopped.or(refused)))
    }

    /// What the answer to the chain says of each query.
    fn read(
        &self,
        link: &Link,
        mut answer: Answer,
        otherwise: Option<ServerMessage>,
    ) -> (Vec<StatementReport>, Option<Stopped>) {
        let done = answer.done.len();
        let mut gathered: Vec<Gathered> = std::mem::take(&mut answer.results);
        let mut results = Vec::new();
        let OnItsWay { head, refused, .. } = &self.on_its_way;
        let proof = rows_of(&mut gathered, head - 1)
            .first()
            .and_then(ReadOnlyProof::of);
        let Some(proof) = proof.filter(|_| done >= *head) else {
            let error = answer.error.unwrap_or_else(|| {
                message::own("the server did not make the transaction READ ONLY; nothing was asked")
            });
            let stopped = Stopped {
                number: 0,
                line: 0,
                error,
                escaped: false,
            };
            return (results, Some(stopped));
        };
        let mut plan = TapPlan::default();
        for (index, query) in self.queries.iter().enumerate() {
            let command = head + 2 * index;
            let escaped = |how: &str| {
                let hint = "the connection was closed, and nothing after it was sent";
                Stopped {
                    escaped: true,
                    ..stopped(query, message::own_with_hint(how, hint))
                }
            };
            let Some(at) = answer.done.get(command).map(|done| done.at) else {
                let error = link.placed(answer.error.unwrap_or_default(), query.text);
                // A failed command leaves the transaction open and failed, whatever it was.
                let stopped = match answer.status {
                    Status::Failed => stopped(query, error),
                    _ => escaped("this statement ended the READ ONLY transaction"),
                };
                return (results, Some(stopped));
            };
            let found = rows_of(&mut gathered, command);
            let guard = rows_of(&mut gathered, command + 1);
            let tag = answer.tag(command).unwrap_or_default().to_owned();
            let broken = match done > command + 1 {
                true => proof.broken_by(&tag, guard.first()),
                false => match (&answer.error, &otherwise) {
                    (Some(error), Some(why)) if proof::is_reading(error) => {
                        return (results, Some(stopped(query, why.clone())));
                    }
                    (error, _) => Some(proof::broken_in_words(&tag, error.as_ref())),
                },
            };
            if let Some(how) = broken {
                return (results, Some(escaped(how)));
            }
            let since = answer.done.get(command - 1).map_or(at, |done| done.at);
            let is_last = index + 1 == self.queries.len() && refused.is_none();
            let answered = Answer {
                tags: vec![tag],
                results: found,
                error: None,
                status: Status::Open,
                at,
                done: Vec::new(),
            };
            let took = millis(since, at);
            let mut told = report(query.number, took, answered, &mut plan, query.data);
            if is_last {
                told.checks.extend(std::mem::take(&mut plan).end());
            }
            results.push(told);
        }
        // It was told only at the end, and may be any of them.
        let last = otherwise.zip(self.queries.last());
        (results, last.map(|(why, query)| stopped(query, why)))
    }
}

/// Takes out what one command of a chain returned.
fn rows_of(gathered: &mut Vec<Gathered>, command: usize) -> Vec<Gathered> {
    gathered
        .extract_if(.., |result| result.command == command)
        .collect()
}
