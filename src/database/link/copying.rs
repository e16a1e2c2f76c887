//! COPY … FROM STDIN with its data, sent so that exactly one ReadyForQuery answers it.
//!
//! In the extended protocol the server answers a COPY at the Sync that follows it, ignores a Sync
//! that comes while it waits for data, and after an error lets everything pass up to the next
//! Sync. So one Sync is sent: right behind the end of the data, or, where there was an error or no
//! COPY at all, as soon as that is known. None may be missing, or the server waits for ever with
//! every lock held, and none may be too many, or every later answer belongs to another request.

use std::borrow::Cow;

use super::{
    Answer, AnswerReading, BrokenLink, Frame, Link, RequestForm, ServerMessage, Tapped, Unsent,
    no_byte,
};
use crate::runbook::encoding::Charset;

/// COPY data is sent in pieces of this many bytes.
const PIECE: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copying {
    /// The server has not said yet what it makes of the statement.
    Asked,
    Feeding,
    /// It takes none, or no more.
    Over,
    Synced,
}

impl Link {
    /// Runs one `COPY … FROM STDIN` with its data. Nothing else may be under way.
    ///
    /// # Errors
    /// When the text cannot be sent, or the link breaks.
    pub async fn copy(
        &mut self,
        sql: &str,
        data: &str,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<Answer, Unsent> {
        let charset = self.charset();
        let data: Cow<'_, [u8]> = match charset {
            Charset::Utf8 => data.as_bytes().into(),
            named => (named.encode(data).ok_or_else(|| no_byte(named))?).into(),
        };
        // tokio-postgres knows no CopyInResponse in a simple query: it lets everything up to
        // ReadyForQuery pass; the tap has it all.
        drop(self.send(RequestForm::CopyIn, sql).await?);
        self.answered += 1;
        let mut reading = AnswerReading::default();
        let mut copying = Copying::Asked;
        let mut pieces = data.chunks(PIECE);
        while reading.ready.is_none() {
            let next = match copying {
                Copying::Feeding => Some(pieces.next()),
                Copying::Over => Some(None),
                Copying::Asked | Copying::Synced => None,
            };
            let Some(piece) = next else {
                self.listen(&mut reading, &mut copying, notice).await?;
                continue;
            };
            let was = copying;
            if piece.is_none() {
                copying = Copying::Synced;
            }
            // A message is written to its end, or the next one would begin inside of it; what the
            // server says meanwhile is heard, or neither side might ever be done writing.
            let Link {
                side_door, frames, ..
            } = self;
            let mut heard = Vec::new();
            let written = {
                let mut write = std::pin::pin!(async {
                    match (was, piece) {
                        (_, Some(piece)) => side_door.copy_data(piece).await,
                        (Copying::Feeding, None) => side_door.copy_done().await,
                        (_, None) => side_door.sync().await,
                    }
                });
                loop {
                    tokio::select! {
                        biased;
                        tapped = frames.recv() => match tapped {
                            Some(tapped) => heard.push(tapped),
                            None => break false,
                        },
                        written = &mut write => break written,
                    }
                }
            };
            for tapped in heard {
                self.hear(tapped, &mut reading, &mut copying, notice);
            }
            if !written {
                return Err(Unsent::Gone(self.broken().await));
            }
        }
        reading
            .finish(notice)
            .ok_or_else(|| Unsent::Gone(BrokenLink::new(ServerMessage::default())))
    }

    async fn listen(
        &mut self,
        reading: &mut AnswerReading,
        copying: &mut Copying,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<(), Unsent> {
        match self.frames.recv().await {
            Some(tapped) => self.hear(tapped, reading, copying, notice),
            None => return Err(Unsent::Gone(self.broken().await)),
        }
        Ok(())
    }

    fn hear(
        &mut self,
        tapped: Tapped,
        reading: &mut AnswerReading,
        copying: &mut Copying,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) {
        match &tapped.frame {
            Frame::CopyIn if *copying == Copying::Asked => {
                *copying = Copying::Feeding;
                return;
            }
            Frame::Error(_) | Frame::Complete(_) | Frame::Empty if *copying != Copying::Synced => {
                *copying = Copying::Over;
            }
            _ => {}
        }
        // It cannot fail: CopyInResponse, which it fails on, comes once.
        let _ = self.take(tapped, reading, notice);
    }
}
