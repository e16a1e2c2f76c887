//! The terminal's own title: what is held, for how much longer, and in which database, for whoever
//! looks at a row of tabs or windows.

use super::{Scene, header};
use crate::facts::Ending;
use crate::gate::phase::Phase;
use crate::tui::text::countdown;

/// The title, such as `HELD 4:32 wiser_ops`. It holds no control character (I8).
pub(crate) fn title(scene: &Scene<'_>) -> String {
    let what = match scene.machine.phase() {
        Phase::Connecting | Phase::Left(_) | Phase::Ended(Ending::NotConnected) => "stagegate",
        Phase::Checklist { .. } => "CHECKLIST",
        Phase::Beginning { .. } | Phase::Applying { .. } => "APPLYING",
        Phase::Verifying { .. } => "VERIFYING",
        Phase::TakingDown { .. } | Phase::Deciding { .. } | Phase::Querying { .. } => "HELD",
        Phase::MustRollBack { .. } => "MUST ROLL BACK",
        Phase::Reviewing { .. } => "REVIEW, nothing held",
        Phase::Returning { .. } => "SECOND PASS",
        Phase::Waiting { .. } => "WAITING, nothing held",
        Phase::Committing { .. } => "COMMITTING",
        Phase::RollingBack { .. } => "ROLLING BACK",
        Phase::Inquiring { .. } => "OUTCOME NOT KNOWN YET",
        Phase::PostVerifying { .. } => "COMMITTED",
        Phase::Ended(ending) => ending.word(),
    };
    let left =
        header::hold_left(scene).map_or_else(String::new, |left| format!(" {}", countdown(left)));
    let database = scene
        .account
        .target
        .as_ref()
        .map_or_else(String::new, |target| {
            format!(" {}", scene.look.clean(&target.database))
        });
    format!("{what}{left}{database}")
}
