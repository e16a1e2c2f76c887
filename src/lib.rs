//! stagegate holds one PostgreSQL transaction open between a reviewed script and a person's
//! decision, and never lies about which way it went.
//!
//! [`runbook`] is what is to be done, [`facts`] is what can be said of a run, [`gate`] is the decision,
//! [`acts`] is what a person asks it for, [`account`] is the run so far, [`database`] is how it reaches
//! the server, [`backup`] has a dump made, [`journal`] is what happened, [`tui`] is how it looks.
//! [`walk`] and [`headless`] are the loops that bring them together, [`asking`] what a person is asked
//! for on the way in; [`sandbox`] is a throw-away server.

// Bounds are in clippy.toml. A test tells a story, however long.
#![cfg_attr(
    not(test),
    warn(
        clippy::too_many_lines,
        clippy::too_many_arguments,
        clippy::fn_params_excessive_bools
    )
)]

pub mod account;
pub mod acts;
pub mod asking;
pub mod backup;
pub mod cli;
pub mod database;
pub mod facts;
pub mod gate;
pub mod headless;
pub mod inspect;
pub mod journal;
pub mod rehearse;
pub mod runbook;
pub mod sandbox;
pub mod tui;
pub mod walk;
