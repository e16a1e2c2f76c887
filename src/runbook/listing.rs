//! What `stagegate show` prints: a runbook for reading, and as JSON.
//!
//! Needs no database. It lists a script that `run` would refuse like any other, with the refusals
//! beside their statements. What comes from a file is shown printable (I8), in JSON too.

mod as_json;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;

pub use as_json::{json, write_json};

use super::impact::{Impact, ImpactLine};
use super::printable::{counted, printable};
use super::script::{Becomes, Fate, Finding, LineRemark, Script, ScriptRefusal, Statement};
use super::{ItemKind, Runbook};

/// How wide the lines of the text are, in characters.
const WIDTH: usize = 80;

impl Fate {
    pub fn word(self) -> &'static str {
        match self {
            Fate::Sent => "sent",
            Fate::TakenOver => "taken over",
            Fate::Held => "held",
            Fate::Ends => "ends",
            Fate::LeftOut => "left out",
        }
    }
}

impl ItemKind {
    /// The word for it, as `runbook.toml` writes it.
    pub fn word(self) -> &'static str {
        match self {
            ItemKind::Backup => "backup",
            ItemKind::Review => "review",
            ItemKind::Connection => "connection",
            ItemKind::Structure => "structure",
            ItemKind::Rollback => "rollback",
            ItemKind::Attest => "attest",
            ItemKind::Checks => "checks",
        }
    }
}

/// How many statements there are of each kind, the most frequent first.
pub fn kinds(script: &Script) -> Vec<(&str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for statement in script.sent() {
        *counts.entry(statement.kind.as_str()).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), *kind));
    counts
}

/// Colours of the text, or none.
struct Paint(bool);

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
    fn heading(&self, text: &str) -> String {
        self.with("1", text)
    }
    fn bad(&self, text: &str) -> String {
        self.with("1;31", text)
    }
    fn note(&self, text: &str) -> String {
        self.with("33", text)
    }
    fn quiet(&self, text: &str) -> String {
        self.with("2", text)
    }
}

/// Text that is written as it comes, so that a long listing takes no memory.
struct ListingPage<W> {
    out: W,
    /// What became of it; nothing more is written once that failed.
    written: io::Result<()>,
}

impl<W: io::Write> fmt::Write for ListingPage<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.written.is_ok() {
            self.written = self.out.write_all(text.as_bytes());
        }
        Ok(())
    }
}

/// Writes the runbook as text, with colours if `color`.
///
/// # Errors
/// When it cannot be written.
pub fn write_text(runbook: &Runbook, color: bool, out: impl io::Write) -> io::Result<()> {
    let written = Ok(());
    let mut page = ListingPage { out, written };
    list_runbook(runbook, &Paint(color), &mut page);
    page.written
}

fn list_runbook(runbook: &Runbook, paint: &Paint, out: &mut dyn fmt::Write) {
    let _ = writeln!(out, "{}", paint.heading(&printable(&runbook.title)));
    if let Some(database) = &runbook.expected_database {
        let _ = writeln!(out, "database  {}", printable(database));
    }
    script(out, paint, "script", &runbook.script);
    statements(out, paint, &runbook.script);
    let others = (runbook
        .expected_state
        .iter()
        .map(|script| ("expected state", script)))
    .chain(
        (runbook.items.iter())
            .filter_map(|item| item.checks.as_ref())
            .map(|script| ("checks", script)),
    )
    .chain(
        runbook
            .post_verification
            .iter()
            .map(|script| ("post-verification", script)),
    )
    .chain(runbook.rollbacks.iter().map(|script| ("rollback", script)));
    for (what, other) in others {
        let _ = writeln!(out);
        script(out, paint, what, other);
        statements(out, paint, other);
    }
    impact(out, paint, runbook.impact());
    let _ = writeln!(out, "\n{}", paint.heading("Checklist"));
    for item in &runbook.items {
        let kind = paint.quiet(&format!("{:<10}", item.kind.word()));
        let file = item.checks.as_ref().map(|script| &script.name);
        let file = file.map_or_else(String::new, |name| format!(" [{}]", printable(name)));
        let _ = writeln!(out, "  {kind}  {}{file}", printable(&item.title));
        for line in item.text.iter().flat_map(|text| text.lines()) {
            wrapped(out, "              ", &printable(line), str::to_owned);
        }
    }
}

/// What the script is expected to do to the database.
fn impact(out: &mut dyn fmt::Write, paint: &Paint, impact: &Impact) {
    let _ = writeln!(out, "\n{}", paint.heading("Impact"));
    for told in impact.told(None) {
        match told {
            ImpactLine::Heading(text) => {
                wrapped(out, "  ", &printable(&text), |line| paint.heading(line));
            }
            ImpactLine::Line(text) => wrapped(out, "    ", &printable(&text), str::to_owned),
            ImpactLine::More(text) => {
                wrapped(out, "      ", &printable(&text), |line| paint.quiet(line));
            }
            ImpactLine::Warn(text) => {
                wrapped(out, "    ", &printable(&text), |line| paint.note(line))
            }
        }
    }
}

/// The head of one script: its name, hash and counts.
fn script(out: &mut dyn fmt::Write, paint: &Paint, what: &str, script: &Script) {
    let name = printable(&script.name);
    let _ = writeln!(out, "{} {name}", paint.heading(&format!("{what:<9}")));
    let _ = writeln!(out, "sha256    {}", script.sha256());
    for (name, value) in &script.variables {
        let text = format!("{} = {}", printable(name), printable(value));
        wrapped(out, "variable  ", &text, str::to_owned);
    }
    for source in &script.sources {
        if let Some(read) = source.encoding_in_words() {
            let _ = writeln!(out, "encoding  {}: {read}", printable(&source.name));
        }
    }
    for source in script.sources.iter().skip(1) {
        let _ = writeln!(out, "includes  {}", printable(&source.name));
    }
    for file in &script.data {
        let _ = writeln!(out, "loads     {}", printable(&file.name));
    }
    let counts: Vec<String> = kinds(script)
        .into_iter()
        .map(|(kind, count)| format!("{count} {}", printable(kind)))
        .collect();
    let total = counted(script.sent().count(), "statement", "statements");
    let counts = match counts.as_slice() {
        [] => "nothing is sent".to_owned(),
        counts => format!("{total}: {}", counts.join(", ")),
    };
    wrapped(out, "counts    ", &counts, |line| line.to_owned());
    for (lasts, lines) in script.lasting() {
        let line = lines.first().copied().unwrap_or_default();
        let times = match lines.len() {
            1 => format!("line {line}"),
            many => format!("{many} times, first on line {line}"),
        };
        let text = format!(
            "{} ({times}): {}",
            printable(&lasts.by),
            lasts.beyond.words()
        );
        wrapped(out, "outlives  ", &text, |line| paint.note(line));
    }
    match script.refusals.len() {
        0 => {}
        1 => {
            let _ = writeln!(out, "{}", paint.bad("1 refusal: `run` would not start"));
        }
        several => {
            let line = format!("{several} refusals: `run` would not start");
            let _ = writeln!(out, "{}", paint.bad(&line));
        }
    }
}

fn statements(out: &mut dyn fmt::Write, paint: &Paint, script: &Script) {
    let kind_width = script
        .statements
        .iter()
        .map(|statement| printable(&statement.kind).chars().count())
        .max()
        .unwrap_or_default();
    for refusal in script.refusals.iter().filter(|r| r.statement.is_none()) {
        refused(out, paint, script, refusal);
    }
    let mut beside: BTreeMap<usize, (Vec<&ScriptRefusal>, Vec<&Finding>)> = BTreeMap::new();
    for refusal in &script.refusals {
        let number = refusal.statement.unwrap_or_default();
        beside.entry(number).or_default().0.push(refusal);
    }
    for finding in script.findings() {
        let number = finding.statement.unwrap_or_default();
        beside.entry(number).or_default().1.push(finding);
    }
    let mut remarks: BTreeMap<(usize, usize), Vec<&LineRemark>> = BTreeMap::new();
    for (source, file) in script.sources.iter().enumerate() {
        for remark in &file.remarks {
            if matches!(remark.becomes, Becomes::Text(_)) {
                let of_line = remarks.entry((source, remark.line)).or_default();
                of_line.push(remark);
            } else {
                let text = format!("{}: {}", place(script, source, remark.line), remark.words());
                wrapped(out, "\\if       ", &printable(&text), |line| {
                    paint.quiet(line)
                });
            }
        }
    }
    let mut section = None;
    for (index, statement) in script.statements.iter().enumerate() {
        if statement.section != section || index == 0 {
            section = statement.section;
            let _ = writeln!(out);
            if let Some(title) = script.section_title(statement) {
                let _ = writeln!(out, "{}", paint.heading(&printable(title)));
            }
            let head = format!("{:>4} {:>5}  {:<kind_width$}  about", "no.", "line", "kind");
            let _ = writeln!(out, "{}", paint.quiet(&head));
        }
        line(out, paint, script, statement, kind_width);
        let file = statement.source;
        let lines = (file, statement.line)..=(file, last_line(script, statement));
        for remark in remarks.range(lines).flat_map(|(_, of_line)| of_line) {
            let text = format!("line {}, {}", remark.line, remark.words());
            wrapped(out, "           ", &printable(&text), |line| {
                paint.quiet(line)
            });
        }
        let beside = (statement.own_number()).and_then(|number| beside.get(&number));
        if let Some((refusals, findings)) = beside {
            for refusal in refusals {
                refused(out, paint, script, refusal);
            }
            for finding in findings {
                found(out, paint, script, finding);
            }
        }
    }
    for finding in script.findings().iter().filter(|f| f.statement.is_none()) {
        found(out, paint, script, finding);
    }
}

fn line(
    out: &mut dyn fmt::Write,
    paint: &Paint,
    script: &Script,
    statement: &Statement,
    width: usize,
) {
    let about = statement.about().unwrap_or_default();
    let about = printable(&about);
    let mut text = format!(
        "{:>4} {:>5}  {:<width$}  {about}",
        statement
            .own_number()
            .map_or_else(String::new, |number| number.to_string()),
        statement.line,
        printable(&statement.kind),
    );
    if statement.source > 0
        && let Some(source) = script.sources.get(statement.source)
    {
        let _ = write!(text, "  [{}]", printable(&source.name));
    }
    let text = text.trim_end();
    let _ = match statement.fate {
        Fate::Sent => writeln!(out, "{text}"),
        Fate::TakenOver => writeln!(out, "{text}  {}", paint.note("taken over by the gate")),
        Fate::Held => writeln!(out, "{text}  {}", paint.note("held for the gate")),
        Fate::Ends => writeln!(out, "{text}  {}", paint.note("makes the run a rehearsal")),
        Fate::LeftOut => writeln!(out, "{text}  {}", paint.note("left out by choice")),
    };
}

fn last_line(script: &Script, statement: &Statement) -> usize {
    let source = script.sources.get(statement.source);
    let written = source.and_then(|source| source.text.get(statement.span.clone()));
    statement.line + written.map_or(0, |text| text.matches('\n').count())
}

/// The place of something: the line, and the file where it is not the script itself.
fn place(script: &Script, source: usize, line: usize) -> String {
    match script.sources.get(source) {
        Some(file) if source > 0 => format!("{}:{line}", printable(&file.name)),
        _ => format!("line {line}"),
    }
}

fn refused(out: &mut dyn fmt::Write, paint: &Paint, script: &Script, refusal: &ScriptRefusal) {
    let place = place(script, refusal.source, refusal.line);
    let text = format!(
        "{place}, column {}: {}",
        refusal.column,
        printable(&refusal.reason)
    );
    wrapped(out, "           REFUSED ", &text, |line| paint.bad(line));
}

fn found(out: &mut dyn fmt::Write, paint: &Paint, script: &Script, finding: &Finding) {
    let place = place(script, finding.source, finding.line);
    let mut text = format!(
        "{place}: {} ({})",
        printable(&finding.message),
        finding.rule
    );
    if let Some(help) = &finding.help {
        let _ = write!(text, " {}", printable(help));
    }
    wrapped(out, "           finding ", &text, |line| paint.note(line));
}

/// `text` behind `label`, broken at spaces, its further lines indented.
fn wrapped(out: &mut dyn fmt::Write, label: &str, text: &str, paint: impl Fn(&str) -> String) {
    let indent = " ".repeat(label.chars().count());
    let mut line = label.to_owned();
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{}", paint(&line));
            line = indent.clone();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    let _ = writeln!(out, "{}", paint(&line));
}
