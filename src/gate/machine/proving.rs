//! Which way the transaction went, from what the server answers about its end.
//!
//! COMMITTED is concluded from the server's word alone, and what is less than a proof is asked for
//! afresh (I3).

use super::Machine;
use super::newest::Committer;
use crate::facts::{ANSWERED_COMMIT, Ending, Inquiry, Proof, Why, XactStatus};
use crate::gate::effect::{Effect, Request};
use crate::gate::event::CommitAnswer;
use crate::gate::phase::{Onward, Phase};
use crate::gate::plan;

impl Machine {
    pub(super) fn commit_answered(&mut self, answer: CommitAnswer) -> Vec<Effect> {
        match answer {
            CommitAnswer::Tag {
                tag,
                idle: true,
                xact_status: xact_status @ (None | Some(XactStatus::Committed)),
            } if tag == "COMMIT" => self.committed(Proof::Tag { tag, xact_status }),
            // Whoever may replace functions of pg_catalog makes it say anything: asked again, it
            // would only say so again.
            CommitAnswer::Tag {
                tag,
                xact_status: Some(status @ (XactStatus::Aborted | XactStatus::InProgress)),
                ..
            } if tag == "COMMIT" => {
                self.newest.committer = Committer::Answered;
                let mut effects = vec![Effect::Sever];
                effects.extend(self.end(Ending::Unknown {
                    reason: Inquiry::Contradicted(format!(
                        "{ANSWERED_COMMIT}, and pg_xact_status says {}; \
                         one of the two is not true",
                        status.word()
                    )),
                }));
                effects
            }
            CommitAnswer::Tag {
                xact_status: Some(XactStatus::Committed),
                tag,
                ..
            } => self.committed(Proof::Tag {
                tag,
                xact_status: Some(XactStatus::Committed),
            }),
            CommitAnswer::Tag {
                xact_status: Some(XactStatus::Aborted),
                tag,
                ..
            } if tag == "ROLLBACK" => self.end(Ending::RolledBack {
                why: Why::CommitRefused,
                proof: Proof::Tag {
                    tag,
                    xact_status: Some(XactStatus::Aborted),
                },
            }),
            CommitAnswer::Refused {
                xact_status: Some(XactStatus::Aborted),
                ..
            } => self.end(Ending::RolledBack {
                why: Why::CommitRefused,
                proof: Proof::Refused,
            }),
            CommitAnswer::Local {
                warning,
                idle,
                xact_status,
            } if xact_status == Some(XactStatus::Committed) || (idle && xact_status.is_none()) => {
                self.committed(Proof::Local {
                    warning: warning.message,
                    xact_status,
                })
            }
            CommitAnswer::OtherTransaction { .. } => {
                // Another transaction may be open on that session now: it must not stay.
                self.sever_and_inquire(true, Onward::End(Why::OtherTransaction))
            }
            // Anything less than a proof is asked for afresh.
            CommitAnswer::Tag { .. }
            | CommitAnswer::Local { .. }
            | CommitAnswer::Refused { .. } => {
                self.sever_and_inquire(true, Onward::End(Why::CommitRefused))
            }
            CommitAnswer::LinkLost(_) => self.inquire(true, Onward::End(Why::SessionEnded)),
        }
    }

    pub(super) fn rollback_answered(
        &mut self,
        tag: String,
        ended_ours: bool,
        xact_status: Option<XactStatus>,
    ) -> Vec<Effect> {
        if self.newest.xid.is_none() {
            return self.rolled_back(Proof::NeverBegun);
        }
        match xact_status {
            Some(XactStatus::Aborted) => self.rolled_back(Proof::Tag { tag, xact_status }),
            // One of the two is wrong, and nobody can tell which.
            Some(XactStatus::Committed)
                if ended_ours && self.newest.committer != Committer::Another =>
            {
                let reason = Inquiry::Contradicted(format!(
                    "the server answered {tag}, and pg_xact_status says committed"
                ));
                self.end(Ending::Unknown { reason })
            }
            // The script had committed by itself; the truth goes before what was wished.
            Some(XactStatus::Committed) => self.committed(Proof::Tag { tag, xact_status }),
            // What the script ended by itself it may have committed.
            Some(XactStatus::InProgress) | None if !ended_ours => {
                self.newest.committer = Committer::Another;
                self.sever_and_inquire(true, Onward::End(Why::OtherTransaction))
            }
            Some(XactStatus::InProgress) | None => match &mut self.phase {
                Phase::RollingBack { after, .. } => {
                    let onward = after.without_session();
                    self.sever_and_inquire(false, onward)
                }
                _ => Vec::new(),
            },
        }
    }

    pub(super) fn inquired(&mut self, inquiry: Inquiry, sent: bool) -> Vec<Effect> {
        match inquiry {
            Inquiry::Answered {
                status: XactStatus::Committed,
                server,
            } => match self.newest.committer {
                Committer::Us | Committer::Answered | Committer::Another => {
                    self.committed(Proof::Asked { server })
                }
                // Neither this program nor anything that it saw can have committed it.
                Committer::Nobody => self.end(Ending::Unknown {
                    reason: Inquiry::Contradicted(format!(
                        "COMMIT was never sent, and pg_xact_status says committed ({server})"
                    )),
                }),
            },
            // Asked again it says so again, and that takes nothing away from the tag.
            Inquiry::Answered {
                status: XactStatus::Aborted,
                server,
            } if self.newest.committer == Committer::Answered => self.end(Ending::Unknown {
                reason: Inquiry::Contradicted(format!(
                    "{ANSWERED_COMMIT}, and pg_xact_status says aborted ({server})"
                )),
            }),
            Inquiry::Answered {
                status: XactStatus::Aborted,
                server,
            } => self.rolled_back(Proof::Asked { server }),
            Inquiry::Answered {
                status: XactStatus::InProgress,
                ..
            } => self.found_in_progress(inquiry, sent),
            Inquiry::Prepared { gid, server } => {
                // Whoever ends it may commit it.
                self.newest.committer = Committer::Another;
                self.end(Ending::Prepared { gid, server })
            }
            Inquiry::OtherServer(_)
            | Inquiry::Unknowable(_)
            | Inquiry::Unreachable(_)
            | Inquiry::Contradicted(_) => match self.proof_without_server(sent, inquiry) {
                Ok(proof) => self.rolled_back(proof),
                Err(reason) => self.end(Ending::Unknown { reason }),
            },
        }
    }

    /// Asked again after a pause that grows, and not for ever.
    fn found_in_progress(&mut self, inquiry: Inquiry, sent: bool) -> Vec<Effect> {
        let ends = !sent || self.leaving.is_some();
        let Phase::Inquiring {
            still_open, times, ..
        } = &mut self.phase
        else {
            return Vec::new();
        };
        *times += 1;
        let times = *times;
        if times >= plan::INQUIRIES {
            return self.end(Ending::Unknown { reason: inquiry });
        }
        // Nothing is lost by ending it at once where it can only be rolled back, or nobody is there
        // to ask.
        if ends && times == 1 {
            return vec![self.request(Request::EndBackend)];
        }
        *still_open = Some(plan::ask_again(times));
        self.requests.awaiting = None;
        Vec::new()
    }

    /// What can be said where the server cannot: what was never asked to commit cannot have been
    /// committed, unless something else ended it.
    ///
    /// # Errors
    /// Why nobody can say it.
    pub(super) fn proof_without_server(
        &self,
        sent: bool,
        reason: Inquiry,
    ) -> Result<Proof, Inquiry> {
        if sent || self.newest.committer == Committer::Another {
            Err(reason)
        } else if self.newest.xid.is_none() {
            Ok(Proof::NeverBegun)
        } else {
            Ok(Proof::NeverSent { reason })
        }
    }
}
