//! Requests on a link, and their answers: sent without waiting, heard in their order.

use super::reading::AnswerReading;
use super::{Answer, BrokenLink, DRIVER_END, Link, Sent, Unsent, no_byte, no_nul};
use crate::database::message;
use crate::database::tap::{Frame, NoByte, RequestForm, Tapped};
use crate::facts::ServerMessage;
use std::time::Duration;

impl Link {
    /// Sends a request of the program's own, of one or several commands, without waiting for the
    /// server. Nothing that a script or a file of SQL holds may come this way.
    ///
    /// # Errors
    /// When the text cannot be sent, or the link is gone.
    pub async fn send_ours(&mut self, sql: &str) -> Result<Sent, Unsent> {
        self.send(RequestForm::Several, sql).await
    }

    /// Sends one command of a script, without waiting for the server. A text that the server reads
    /// as several commands is refused by it, and nothing of it runs.
    ///
    /// # Errors
    /// When the text cannot be sent, or the link is gone.
    pub async fn send_one(&mut self, sql: &str) -> Result<Sent, Unsent> {
        self.send(RequestForm::One, sql).await
    }

    /// Sends texts of one command each as one request. After one that fails the server passes over
    /// all the others, and none of them has begun before the ones ahead of it have succeeded.
    ///
    /// # Errors
    /// When a text cannot be sent, or the link is gone.
    pub async fn send_chain(&mut self, texts: &[&str]) -> Result<Sent, Unsent> {
        let whole = texts.concat();
        no_nul(&whole)?;
        let charset = self.charset();
        let announced = self.side_door.announce_chain(texts, charset);
        announced.map_err(|NoByte| no_byte(charset))?;
        self.request(&whole).await
    }

    pub(super) async fn send(&mut self, form: RequestForm, sql: &str) -> Result<Sent, Unsent> {
        no_nul(sql)?;
        let charset = self.charset();
        let announced = self.side_door.announce(form, sql, charset);
        announced.map_err(|NoByte| no_byte(charset))?;
        self.request(sql).await
    }

    /// Hands an announced request to tokio-postgres.
    pub(super) async fn request(&mut self, sql: &str) -> Result<Sent, Unsent> {
        match self.client.simple_query_raw(sql).await {
            Ok(stream) => {
                self.sent += 1;
                Ok(Sent {
                    number: self.sent,
                    stream: Some(Box::pin(stream)),
                })
            }
            Err(error) if error.is_closed() => Err(Unsent::Gone(self.broken().await)),
            Err(error) => {
                // It was not even put into words for the wire.
                self.side_door.withdraw();
                Err(Unsent::Text(message::from_error(&error)))
            }
        }
    }

    /// The same, unless the server says nothing for so long.
    ///
    /// # Errors
    /// When the link breaks, or the server stays silent, before the answer is whole.
    pub async fn answer_within(
        &mut self,
        sent: Sent,
        silence: Duration,
    ) -> Result<Answer, BrokenLink> {
        self.read(sent, &mut |_| {}, Some(silence)).await
    }

    /// Reads the whole answer to the oldest request that has none. Notices go to `notice` while
    /// the request is worked on.
    ///
    /// # Errors
    /// When the link breaks before the answer is whole.
    pub async fn answer(
        &mut self,
        sent: Sent,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<Answer, BrokenLink> {
        self.read(sent, notice, None).await
    }

    pub(super) async fn read(
        &mut self,
        mut sent: Sent,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
        silence: Option<Duration>,
    ) -> Result<Answer, BrokenLink> {
        self.answered += 1;
        if sent.number != self.answered {
            // One answer taken for another's could tell a COMMIT that was none.
            self.sever();
            return Err(BrokenLink::new(message::own(
                "an answer was read out of its order, and this program closed the link",
            )));
        }
        let mut reading = AnswerReading::default();
        // Frames first: the tap has seen every message before tokio-postgres hands it on, so the
        // last frame may come long before the last row.
        while reading.ready.is_none() || sent.stream.is_some() {
            let too_long = async {
                match silence {
                    Some(silence) => tokio::time::sleep(silence).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                tapped = self.frames.recv(), if reading.ready.is_none() => match tapped {
                    Some(tapped) => self.take(tapped, &mut reading, notice)?,
                    None => return Err(self.broken().await),
                },
                item = sent.next(), if sent.stream.is_some() => match item {
                    Some(Ok(item)) => reading.item(item),
                    // The error itself comes through the tap, with all its fields. A stream that
                    // nobody reads would hold everything behind it up, so it is let go of.
                    Some(Err(_)) | None => sent.stream = None,
                },
                () = too_long => {
                    return Err(BrokenLink::new(message::own("the server does not answer any more")));
                }
            }
        }
        reading
            .finish(notice)
            .ok_or_else(|| BrokenLink::new(ServerMessage::default()))
    }

    /// Takes one frame of the answer that is being read.
    pub(super) fn take(
        &mut self,
        tapped: Tapped,
        reading: &mut AnswerReading,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<(), BrokenLink> {
        match tapped.frame {
            Frame::Ready(status) => {
                self.status = status;
                reading.ready = Some((status, tapped.at));
            }
            Frame::Error(error) => {
                if message::is_fatal(&error) {
                    self.fatal = Some((*error).clone());
                }
                reading.error = Some(*error);
            }
            Frame::Notice(notice_message) => {
                self.remember_farewell(&notice_message);
                reading.notice(*notice_message, notice);
            }
            Frame::Parameter(name, value) => self.parameters.set(name, value),
            Frame::CopyIn => {
                // The server would wait for data for ever, with every lock held.
                self.sever();
                let why = message::own(
                    "the server asked for COPY data that the script does not hold; the link was \
                     closed, which rolls the transaction back",
                );
                self.cause = Some(why.clone());
                return Err(BrokenLink::new(why));
            }
            frame => reading.frame(Tapped { frame, ..tapped }, notice),
        }
        Ok(())
    }

    /// Sends one command and reads its whole answer. The server takes no second one in it.
    ///
    /// # Errors
    /// When the text cannot be sent, or the link breaks.
    pub async fn ask_one(
        &mut self,
        sql: &str,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<Answer, Unsent> {
        let sent = self.send_one(sql).await?;
        self.answer(sent, notice).await.map_err(Unsent::Gone)
    }

    /// Sends a request of the program's own and reads its answer; notices are dropped.
    ///
    /// # Errors
    /// When the link is or gets broken.
    pub async fn ask(&mut self, sql: &str) -> Result<Answer, BrokenLink> {
        let sent = self.send_ours(sql).await?;
        self.answer(sent, &mut |_| {}).await
    }

    /// The first row of the answer to `sql`.
    ///
    /// # Errors
    /// The server's error, or what broke the link; also when there is no row.
    pub async fn row(&mut self, sql: &str) -> Result<Vec<Option<String>>, ServerMessage> {
        let answer = self.ask(sql).await.map_err(BrokenLink::why)?;
        if let Some(error) = answer.error {
            return Err(error);
        }
        answer
            .results
            .into_iter()
            .find_map(|r| r.set.rows.into_iter().next())
            .ok_or_else(|| message::own("the server answered without a row"))
    }

    /// Waits, while nothing was asked, for the end of the session. Notices go to `notice`.
    pub async fn idle(&mut self, notice: &mut (dyn FnMut(ServerMessage) + Send)) -> BrokenLink {
        while let Some(tapped) = self.frames.recv().await {
            match tapped.frame {
                Frame::Notice(message) => {
                    self.remember_farewell(&message);
                    notice(*message);
                }
                Frame::Error(error) => self.fatal = Some(*error),
                Frame::Parameter(name, value) => self.parameters.set(name, value),
                Frame::Complete(_)
                | Frame::Empty
                | Frame::Ready(_)
                | Frame::Key(_)
                | Frame::CopyIn
                | Frame::CopyOut => {}
            }
        }
        self.broken().await
    }

    /// A server that is stopped at once, or that restarts after a crash, says so in a warning and
    /// closes.
    pub(super) fn remember_farewell(&mut self, message: &ServerMessage) {
        if matches!(message.sqlstate.as_deref(), Some("57P01" | "57P02")) {
            self.fatal = Some(message.clone());
        }
    }

    /// Closes the socket, whatever is under way. The server rolls back what is open.
    pub fn sever(&mut self) {
        self.driver.0.abort();
    }

    /// Says goodbye, and waits at most for `limit` until that is sent.
    pub async fn close(self, limit: Duration) {
        let Link {
            client, mut driver, ..
        } = self;
        drop(client);
        let _ = tokio::time::timeout(limit, &mut driver.0).await;
    }

    /// Why the link is gone: the server's last word, else what the connection died of.
    pub(super) async fn broken(&mut self) -> BrokenLink {
        if let Some(cause) = &self.cause {
            return BrokenLink::new(cause.clone());
        }
        // The server's last word may still be on its way through the tap.
        while let Ok(tapped) = self.frames.try_recv() {
            if let Frame::Error(error) = tapped.frame
                && message::is_fatal(&error)
            {
                self.fatal = Some(*error);
            }
        }
        let cause = match self.fatal.take() {
            Some(fatal) => fatal,
            None => match tokio::time::timeout(DRIVER_END, &mut self.driver.0).await {
                Ok(Ok(Err(error))) => message::from_error(&error),
                Ok(Err(error)) if error.is_cancelled() => message::closed_by_us(),
                Ok(Err(_)) => message::own("the part that reads from the server died"),
                Ok(Ok(Ok(()))) | Err(_) => message::own("the connection was closed"),
            },
        };
        self.sever();
        self.cause = Some(cause.clone());
        BrokenLink::new(cause)
    }
}
