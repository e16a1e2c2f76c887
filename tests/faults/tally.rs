//! What was said against what is, run by run, and the table of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::walking::Said;

/// One run under one fault.
#[derive(Debug)]
pub struct Run {
    /// The row of the table.
    pub fault: &'static str,
    /// How to draw it again.
    pub seed: String,
    pub said: Said,
    /// Whether what the script makes is there.
    pub altered: bool,
    /// Why nobody could know, where nobody could.
    pub excuse: Option<&'static str>,
    /// What was said when the server was asked once more, with all faults gone.
    pub later: Option<Said>,
}

impl Run {
    fn told(&self, what: &str) -> String {
        format!(
            "{what}: {}: {}: said {:?}, later {:?}, and it is {}there",
            self.fault,
            self.seed,
            self.said,
            self.later,
            if self.altered { "" } else { "not " }
        )
    }
}

#[derive(Debug, Default)]
struct Row {
    runs: usize,
    committed: usize,
    rolled_back: usize,
    not_connected: usize,
    unknown: usize,
    told_later: usize,
    wrong: usize,
    bad: usize,
}

#[derive(Debug, Default)]
pub struct Tally {
    rows: BTreeMap<&'static str, Row>,
    /// UNKNOWNs by their excuse.
    excuses: BTreeMap<&'static str, usize>,
    /// Everything that must not be.
    pub faults: Vec<String>,
}

fn wrong(said: &Said, altered: bool) -> bool {
    match said {
        Said::Committed(_) => !altered,
        Said::RolledBack(_) | Said::NotConnected | Said::Refused(_) => altered,
        // What is prepared is neither; that is looked at before somebody ends it.
        Said::Unknown(_) | Said::Prepared(_) | Said::Nothing(_) => false,
    }
}

impl Tally {
    pub fn add(&mut self, run: Run) {
        let row = self.rows.entry(run.fault).or_default();
        row.runs += 1;
        match &run.said {
            Said::Committed(_) => row.committed += 1,
            Said::RolledBack(_) => row.rolled_back += 1,
            Said::NotConnected | Said::Refused(_) => row.not_connected += 1,
            Said::Unknown(_) | Said::Prepared(_) => row.unknown += 1,
            Said::Nothing(_) => row.bad += 1,
        }
        if let Said::Nothing(_) = &run.said {
            self.faults.push(run.told("SILENT"));
        }
        if wrong(&run.said, run.altered) {
            row.wrong += 1;
            self.faults.push(run.told("WRONG"));
        }
        if let Said::Unknown(_) | Said::Prepared(_) = &run.said {
            match run.excuse {
                Some(excuse) => *self.excuses.entry(excuse).or_default() += 1,
                None => {
                    row.bad += 1;
                    self.faults.push(run.told("UNKNOWN without need"));
                }
            }
        }
        match &run.later {
            Some(later) if wrong(later, run.altered) => {
                row.wrong += 1;
                self.faults.push(run.told("WRONG, asked later"));
            }
            Some(Said::Committed(_) | Said::RolledBack(_)) => row.told_later += 1,
            Some(_) | None => {}
        }
    }

    /// The same where a fault takes nobody's decision away: what it says must begin like this. A run that
    /// a limit ends is true to the server, too.
    pub fn add_wanted(&mut self, run: Run, wanted: &str) {
        if !format!("{:?}", run.said).starts_with(wanted) {
            self.faults.push(run.told(&format!("NOT {wanted}")));
        }
        self.add(run);
    }

    pub fn runs(&self) -> usize {
        self.rows.values().map(|row| row.runs).sum()
    }

    pub fn said_committed(&self) -> usize {
        self.rows.values().map(|row| row.committed).sum()
    }

    pub fn wrong(&self) -> usize {
        self.rows.values().map(|row| row.wrong).sum()
    }

    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| fault | runs | COMMITTED | ROLLED BACK | no session | UNKNOWN | told once more | **wrong** |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        let mut sum = Row::default();
        for (fault, row) in &self.rows {
            let _ = writeln!(text, "| {fault} | {} |", row.cells());
            sum.runs += row.runs;
            sum.committed += row.committed;
            sum.rolled_back += row.rolled_back;
            sum.not_connected += row.not_connected;
            sum.unknown += row.unknown;
            sum.told_later += row.told_later;
            sum.wrong += row.wrong;
        }
        let _ = writeln!(text, "| **all** | {} |", sum.cells());
        text.push('\n');
        if self.excuses.is_empty() {
            text.push_str("No run ended UNKNOWN.\n");
        } else {
            text.push_str("Every UNKNOWN and why nobody could know then:\n\n");
            for (excuse, count) in &self.excuses {
                let _ = writeln!(text, "- {count} × {excuse}");
            }
        }
        text
    }

    #[track_caller]
    pub fn assert_nothing_wrong(&self) {
        assert!(
            self.faults.is_empty(),
            "{} of {} runs:\n{}",
            self.faults.len(),
            self.runs(),
            self.faults.join("\n")
        );
    }
}

impl Row {
    fn cells(&self) -> String {
        format!(
            "{} | {} | {} | {} | {} | {} | **{}**",
            self.runs,
            self.committed,
            self.rolled_back,
            self.not_connected,
            self.unknown,
            self.told_later,
            self.wrong
        )
    }
}
