//! What a session says, in few words, for the tests of the machine.

use super::Command;
use super::event::{Body, CommitAnswer};
use crate::facts::{
    After, Inquiry, Looked, Rows, ServerMessage, StatementReport, Target, XactStatus,
};
use crate::runbook::check::{Check, Verdict};
use crate::runbook::question::Question;

pub(crate) fn error() -> Box<ServerMessage> {
    Box::default()
}

pub(crate) fn reached() -> Body {
    Body::Connected(Box::new(Target {
        database: "wiser_ops".into(),
        ..Target::default()
    }))
}

pub(crate) fn begun(xid: &str) -> Body {
    Body::Begun {
        xid: xid.into(),
        added: Vec::new(),
    }
}

pub(crate) fn statement_failed() -> Body {
    Body::StatementFailed {
        number: 1,
        duration: 0,
        error: error(),
    }
}

pub(crate) fn tagged_commit() -> Body {
    Body::CommitAnswered(CommitAnswer::Tag {
        tag: "COMMIT".into(),
        idle: true,
        xact_status: Some(XactStatus::Committed),
    })
}

pub(crate) fn rolled_back(ended_ours: bool, xact_status: Option<XactStatus>) -> Body {
    Body::RollbackAnswered {
        tag: "ROLLBACK".into(),
        ended_ours,
        xact_status,
    }
}

pub(crate) fn answered(status: XactStatus) -> Body {
    Body::Asked(Inquiry::Answered {
        status,
        server: "s".into(),
    })
}

pub(crate) fn session_ended() -> Body {
    Body::SessionEnded(ServerMessage::default())
}

pub(crate) fn sign(item: usize, note: Option<&str>) -> Command {
    Command::SignOff {
        item,
        note: note.map(str::to_owned),
    }
}

pub(crate) fn check(verdict: Verdict) -> Body {
    Body::StatementFinished(Box::new(StatementReport {
        number: 1,
        checks: vec![Check {
            name: "c".into(),
            verdict,
            detail: String::new(),
        }],
        ..StatementReport::default()
    }))
}

pub(crate) fn looked(after: After) -> Body {
    Body::Looked(Box::new(Looked {
        question: Question::read("SELECT 1").unwrap(),
        duration: 0,
        answer: Ok(Rows::default()),
        after,
    }))
}
