//! What a person is asked for on the way in: a password, the passphrase of a key.
//!
//! The part that connects puts a question and waits; whoever has the person in front of them, a screen or
//! lines, answers it. A secret goes from the keyboard to the one who asked and nowhere else (I9).

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// The password of the role.
    Password,
    /// What a key is encrypted with.
    Passphrase,
}

/// What a person is asked.
#[derive(Debug, Clone)]
pub struct Challenge {
    pub wanted: SecretKind,
    /// Whom it lets in and where, `role@host:port/database`, or the key's file.
    pub place: String,
    /// What was wrong with the answer before.
    pub wrong: Option<String>,
    answer: ReplySlot,
}

type Reply = oneshot::Sender<Zeroizing<String>>;

/// Where the answer goes; it can be given once, by whichever copy of the question.
#[derive(Clone)]
struct ReplySlot(Arc<Mutex<Option<Reply>>>);

impl std::fmt::Debug for ReplySlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReplySlot")
    }
}

impl Challenge {
    pub fn answer(&self, secret: Zeroizing<String>) {
        if let Some(reply) = self.take() {
            // Where nobody waits any more the secret is wiped here.
            let _ = reply.send(secret);
        }
    }

    /// Leaves it without an answer.
    pub fn decline(&self) {
        drop(self.take());
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_over(&self) -> bool {
        let reply = self.answer.0.lock().unwrap_or_else(PoisonError::into_inner);
        reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    fn take(&self) -> Option<Reply> {
        let mut reply = self.answer.0.lock().unwrap_or_else(PoisonError::into_inner);
        reply.take()
    }
}

#[derive(Debug, Clone)]
pub struct Desk(UnboundedSender<Challenge>);

/// A desk, and the end at which somebody answers.
#[must_use]
pub fn open_desk() -> (Desk, UnboundedReceiver<Challenge>) {
    let (questions, put) = unbounded_channel();
    (Desk(questions), put)
}

impl Desk {
    /// Puts a question and waits; `None` where there is no answer.
    pub async fn ask(
        &self,
        wanted: SecretKind,
        place: String,
        wrong: Option<String>,
    ) -> Option<Zeroizing<String>> {
        let (reply, answer) = oneshot::channel();
        let question = Challenge {
            wanted,
            place,
            wrong,
            answer: ReplySlot(Arc::new(Mutex::new(Some(reply)))),
        };
        self.0.send(question).ok()?;
        answer.await.ok()
    }
}
