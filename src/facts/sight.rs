//! What the monitor sees of the server. It is shown, and where a limit on who may wait was asked for, it
//! is held against that (I12).

use super::{Millis, in_words};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Observation {
    /// A look at the server.
    Seen(Box<Sight>),
    /// The end of the server's log, or why it is not shown.
    Logged(ServerLog),
    /// The monitor cannot look; why. It costs the transaction nothing, and says nothing of it: the server
    /// may be silent to both.
    Blind(String),
}

/// The server's own log, as far as the role may see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerLog {
    Tail {
        /// The file, as the server names it.
        file: String,
        /// The lines, the last one last.
        lines: Vec<String>,
        /// There are others before them.
        cut: bool,
    },
    /// The server collects no log of its own.
    NotCollected,
    /// The role may not read it.
    NotPermitted,
    /// It cannot be read; why.
    Unreadable(String),
}

/// One look at the server by the monitor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Sight {
    /// Progress of the command that our session runs, where the server reports it.
    pub progress: Option<Progress>,
    /// Sessions that wait for us, the longest wait first.
    pub waiters: Vec<OtherSession>,
    pub blockers: Vec<OtherSession>,
    /// How long we have waited for them so far, where we do.
    pub waits: Option<Millis>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Progress {
    /// Its phase in the server's words, such as `building index: scanning table`.
    pub phase: String,
    pub done: u64,
    /// Units in all; 0 where the server does not know.
    pub total: u64,
    /// `blocks`, `tuples` or `lockers`.
    pub unit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct OtherSession {
    pub pid: i32,
    pub role: String,
    pub application: String,
    /// Where it comes from, an address or `local`, as far as our role may see it.
    pub client: Option<String>,
    /// Its state, as far as our role may see it.
    pub state: Option<String>,
    /// Its query, as far as our role may see it.
    pub query: Option<String>,
    /// The relation it waits on, or that we wait on.
    pub relation: Option<String>,
    /// How long it has waited, or for a blocker how long its transaction has been open.
    pub since: Option<Millis>,
    /// The sessions it waits for.
    pub behind: Vec<i32>,
}

impl OtherSession {
    /// Role, application, client and state, as far as they are known. Another stagegate is called one.
    pub fn who(&self) -> String {
        let mut text = self.role.clone();
        match self.application.as_str() {
            "" => {}
            ours if ours == "stagegate" || ours.starts_with("stagegate ") => {
                text.push_str(&format!(" ({ours}: another stagegate on this database)"));
            }
            other => text.push_str(&format!(" ({other})")),
        }
        if let Some(client) = &self.client {
            text.push_str(&format!(", {client}"));
        }
        if let Some(state) = &self.state {
            text.push_str(&format!(", {state}"));
        }
        text.trim_start().to_owned()
    }

    /// The session with its process number, and the relation that it is about.
    fn who_on_what(&self) -> String {
        let mut text = match self.pid {
            // A transaction that is prepared has no session.
            0 => self.who(),
            pid => format!("pid {pid} {}", self.who()),
        };
        if let Some(relation) = &self.relation {
            text.push_str(&format!(", on {relation}"));
        }
        text
    }

    /// A session that waits for us, in one line: on what, and for how long.
    pub fn in_the_queue(&self) -> String {
        let mut text = self.who_on_what();
        if let Some(since) = self.since {
            text.push_str(&format!(", for {}", in_words(since)));
        }
        text
    }

    /// All of a session that is in the way, in one line: its transaction's age, and its query as far as
    /// our role may see it.
    pub fn in_the_way(&self) -> String {
        let mut text = self.who_on_what();
        if let Some(since) = self.since {
            text.push_str(&format!(", open for {}", in_words(since)));
        }
        match (&self.query, &self.state) {
            (Some(query), _) => {
                let words: Vec<&str> = query.split_whitespace().collect();
                text.push_str(&format!(": {}", words.join(" ")));
            }
            (None, None) if self.pid != 0 => {
                text.push_str("; its state and query are hidden from this role");
            }
            (None, _) => {}
        }
        text
    }
}
