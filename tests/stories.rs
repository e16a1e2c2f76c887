//! What is promised to a person: the real program, a real PostgreSQL, real keys through a terminal.
//!
//! Each story waits for what is on the screen, never for time. Afterwards the database is asked
//! what is in it, the server who is still connected, and the journal what it says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "stories/again.rs"]
mod again;
#[path = "shared/aloud.rs"]
mod aloud;
#[path = "stories/answering.rs"]
mod answering;
#[path = "shared/answers.rs"]
mod answers;
#[path = "stories/asking.rs"]
mod asking;
#[path = "tls/authority.rs"]
#[allow(dead_code)]
mod authority;
#[path = "stories/backing_up.rs"]
mod backing_up;
#[path = "stories/between.rs"]
mod between;
#[path = "stories/bytes.rs"]
mod bytes;
#[path = "stories/cancelling.rs"]
mod cancelling;
#[path = "shared/child.rs"]
mod child;
#[path = "stories/choosing.rs"]
mod choosing;
#[path = "shared/clients.rs"]
mod clients;
#[path = "stories/clipboard.rs"]
mod clipboard;
#[path = "stories/company.rs"]
mod company;
#[path = "stories/comparing.rs"]
mod comparing;
#[path = "stories/consenting.rs"]
mod consenting;
#[path = "shared/copying.rs"]
mod copying;
#[path = "stories/counting.rs"]
mod counting;
#[path = "stories/deciding.rs"]
mod deciding;
#[path = "stories/editing.rs"]
mod editing;
#[path = "shared/encrypting.rs"]
mod encrypting;
#[path = "stories/entering.rs"]
mod entering;
#[path = "stories/foreign.rs"]
mod foreign;
#[path = "stories/habits.rs"]
mod habits;
#[path = "stories/hanging.rs"]
mod hanging;
#[path = "stories/hiding.rs"]
mod hiding;
#[path = "shared/keyless.rs"]
mod keyless;
#[path = "stories/kinds.rs"]
mod kinds;
#[path = "stories/leaving.rs"]
mod leaving;
#[path = "stories/lines.rs"]
mod lines;
#[path = "stories/linting.rs"]
mod linting;
#[path = "stories/looking.rs"]
mod looking;
#[path = "stories/page.rs"]
mod page;
#[path = "stories/pasting.rs"]
mod pasting;
#[path = "stories/picture.rs"]
mod picture;
#[path = "stories/prying.rs"]
mod prying;
#[path = "stories/recording.rs"]
mod recording;
#[path = "stories/refusing.rs"]
mod refusing;
#[path = "stories/remote.rs"]
mod remote;
#[path = "stories/secret.rs"]
mod secret;
#[path = "shared/session.rs"]
mod session;
#[path = "stories/sizing.rs"]
mod sizing;
#[path = "stories/stage.rs"]
mod stage;
#[path = "stories/stalling.rs"]
mod stalling;
#[path = "stories/terminal.rs"]
mod terminal;
#[path = "shared/typist.rs"]
mod typist;
#[path = "stories/unheld.rs"]
mod unheld;
#[path = "stories/wheel.rs"]
mod wheel;
#[path = "stories/wording.rs"]
mod wording;
