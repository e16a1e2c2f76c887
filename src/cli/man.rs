//! The man pages, made from the command line's own definition and the key table.

use super::arguments::Arguments;
use super::examples::examples_of;
use crate::acts;
use clap::CommandFactory;
use std::io;
use std::path::Path;

/// Name, and what it is for, in the wording of [`acts::name_keys`]: what of the environment is read.
const ENVIRONMENT: [(&str, &str); 10] = [
    (
        "PGHOST, PGPORT, PGUSER, PGDATABASE, PGSERVICE, PGSSLMODE and what else libpq reads",
        "Where to connect, as for psql; an option on the command line comes first.",
    ),
    (
        "PGPASSWORD, PGPASSFILE",
        "The password, or the file it is looked up in. It is never written down.",
    ),
    (
        "PGSERVICEFILE, PGSYSCONFDIR",
        "Where services are described.",
    ),
    (
        "XDG_STATE_HOME",
        "The folder in which stagegate/ has the journals; without it ~/.local/state.",
    ),
    ("NO_COLOR", "Set to anything: no colours."),
    (
        "TERM, LC_ALL, LC_CTYPE, LANG",
        "What the terminal can show; outside UTF-8 everything is drawn in ASCII.",
    ),
    (
        "SSH_CONNECTION, SUDO_USER",
        "Who sits where, for the journal.",
    ),
    (
        "STAGEGATE_PG_BIN",
        "The folder of the server programs, for demo and for rehearse --clone.",
    ),
    (
        "PSQL_EDITOR, EDITOR, VISUAL",
        "What {open editor} opens a query in, the first that is set; without them vi.",
    ),
    (
        "TMPDIR",
        "Where throw-away servers live, and the file that an editor is opened on.",
    ),
];

const FILES: [(&str, &str); 5] = [
    (
        "~/.local/state/stagegate/*.jsonl",
        "The journals, one for each run, readable by their owner alone. What you read to its end in a run \
         of the last seven days is looked for there.",
    ),
    (
        "~/.local/state/stagegate/*.outcome",
        "What the server answered, asked after a run which way it went; the journal beside it has the same \
         name.",
    ),
    ("~/.pgpass", "Passwords, as for psql."),
    (
        "~/.pg_service.conf, pg_service.conf",
        "Services, as for psql.",
    ),
    (
        "~/.postgresql/",
        "Certificates, as for psql: postgresql.crt, postgresql.key, root.crt, root.crl.",
    ),
];

/// What `stagegate man NAME` was asked for and is not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no command {0:?}; stagegate --help lists them")]
pub struct NoSuchCommand(String);

/// The page of the whole program, or of one command, in roff.
///
/// # Errors
///
/// When no command has that name.
pub fn page(command: Option<&str>) -> Result<String, NoSuchCommand> {
    let whole = Arguments::command();
    match command {
        None => Ok(page_of_all(&whole)),
        Some(name) => match listed(&whole).find(|sub| sub.get_name() == name) {
            Some(sub) => Ok(page_of(&whole, sub)),
            None => Err(NoSuchCommand(name.to_owned())),
        },
    }
}

/// Writes every page into a folder that is there: `stagegate.1`, `stagegate-run.1` and so on.
pub fn write_into(folder: &Path) -> io::Result<()> {
    let whole = Arguments::command();
    std::fs::write(folder.join("stagegate.1"), page_of_all(&whole))?;
    for sub in listed(&whole) {
        let name = format!("stagegate-{}.1", sub.get_name());
        std::fs::write(folder.join(name), page_of(&whole, sub))?;
    }
    Ok(())
}

fn listed(whole: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    whole.get_subcommands().filter(|sub| !sub.is_hide_set())
}

/// A command with the options that it has below the program: `-h` is the host.
fn as_listed(sub: &clap::Command) -> clap::Command {
    sub.clone().disable_help_flag(true)
}

fn page_of_all(whole: &clap::Command) -> String {
    let mut plain = whole.clone().after_help("");
    // The generator's own list would lead to pages by other names.
    for name in listed(whole).map(|sub| sub.get_name().to_owned()) {
        plain = plain.mut_subcommand(name, |sub| sub.hide(true));
    }
    let man = clap_mangen::Man::new(plain);
    let mut roff = rendered(|out| {
        man.render_title(out)?;
        man.render_name_section(out)?;
        man.render_synopsis_section(out)?;
        man.render_description_section(out)
    });
    roff.push_str(".SH COMMANDS\n");
    for sub in listed(whole) {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        term(&mut roff, sub.get_name(), &about);
    }
    for sub in listed(whole) {
        roff.push_str(&format!(
            ".SH \"COMMAND {}\"\n",
            sub.get_name().to_uppercase()
        ));
        let man = clap_mangen::Man::new(as_listed(sub));
        roff.push_str(&rendered(|out| {
            man.render_description_section(out)?;
            man.render_options_section(out)
        }));
    }
    roff.push_str(".SH KEYS\n");
    for row in acts::roff_rows() {
        roff.push_str(&row);
        roff.push('\n');
    }
    common(&mut roff, whole, None);
    also(&mut roff, listed(whole).map(clap::Command::get_name));
    roff
}

fn page_of(whole: &clap::Command, sub: &clap::Command) -> String {
    let name = sub.get_name().to_owned();
    let man = clap_mangen::Man::new(
        as_listed(sub)
            .bin_name(format!("stagegate {name}"))
            .display_name(format!("stagegate-{name}")),
    )
    .source(concat!("stagegate ", env!("CARGO_PKG_VERSION")));
    let mut roff = rendered(|out| {
        man.render_title(out)?;
        man.render_name_section(out)?;
        man.render_synopsis_section(out)?;
        man.render_description_section(out)?;
        man.render_options_section(out)
    });
    common(&mut roff, whole, Some(&name));
    also(&mut roff, std::iter::empty());
    roff
}

/// Rendering into memory cannot fail.
fn rendered(render: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut roff = Vec::new();
    let _ = render(&mut roff);
    String::from_utf8_lossy(&roff).into_owned()
}

fn common(roff: &mut String, whole: &clap::Command, command: Option<&str>) {
    roff.push_str(".SH \"EXIT STATUS\"\n");
    for (code, meaning) in exit_statuses(whole) {
        term(roff, &code, &meaning);
    }
    roff.push_str(".SH ENVIRONMENT\n");
    for (name, what) in ENVIRONMENT {
        term(roff, name, &acts::name_keys(what));
    }
    roff.push_str(".SH FILES\n");
    for (name, what) in FILES {
        term(roff, name, what);
    }
    let mut examples = examples_of(command).peekable();
    if examples.peek().is_some() {
        roff.push_str(".SH EXAMPLES\n");
    }
    for (typed, what) in examples {
        term(roff, &typed, what);
    }
}

fn also<'a>(roff: &mut String, commands: impl Iterator<Item = &'a str>) {
    roff.push_str(".SH \"SEE ALSO\"\n");
    let mut pages: Vec<String> = commands.map(|name| format!("stagegate-{name}")).collect();
    if pages.is_empty() {
        pages.push("stagegate".to_owned());
    }
    pages.push("psql".to_owned());
    for page in pages {
        roff.push_str(&format!(".BR {} (1)\n", escaped(&page)));
    }
}

/// Code and meaning, from the words that close the help.
pub(super) fn exit_statuses(whole: &clap::Command) -> Vec<(String, String)> {
    let words = whole
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let Some((_, table)) = words.split_once("Exit codes: ") else {
        return Vec::new();
    };
    let table = table.split("\n\n").next().unwrap_or_default();
    table
        .split(" · ")
        .map(|entry| {
            let at = entry
                .find(|c: char| !c.is_ascii_digit() && c != ',' && c != ' ')
                .unwrap_or(entry.len());
            let (code, meaning) = entry.split_at(at);
            (code.trim().to_owned(), meaning.trim().to_owned())
        })
        .collect()
}

fn term(roff: &mut String, head: &str, text: &str) {
    roff.push_str(&format!(".TP\n.B {}\n{}\n", escaped(head), escaped(text)));
}

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    // A line that begins so would be a request.
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;

    #[test]
    fn each_exit_status_has_its_meaning() {
        let all = exit_statuses(&Arguments::command());
        let codes: Vec<&str> = all.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(codes[..4], ["0", "1", "2", "3"]);
        assert_eq!(codes.last(), Some(&"129, 130, 143"));
        assert!(all.iter().all(|(_, meaning)| meaning.len() > 5), "{all:?}");
    }

    #[test]
    fn each_command_has_a_page_and_no_page_leads_nowhere() {
        let whole = Arguments::command();
        let names: Vec<&str> = listed(&whole).map(clap::Command::get_name).collect();
        let pages: Vec<String> = names
            .iter()
            .map(|name| page(Some(name)).unwrap())
            .chain([page(None).unwrap()])
            .collect();
        for text in &pages {
            for section in ["NAME", "SYNOPSIS", "OPTIONS", "ENVIRONMENT", "FILES"] {
                assert!(
                    text.contains(&format!(".SH {section}\n")) || section == "OPTIONS",
                    "{section} is missing:\n{text}"
                );
            }
            for line in text.lines().filter(|line| line.ends_with(" (1)")) {
                let led = line.replace("\\-", "-");
                let led = led.trim_start_matches(".BR ").trim_end_matches(" (1)");
                let known = led == "psql"
                    || led == "stagegate"
                    || names.iter().any(|name| led == format!("stagegate-{name}"));
                assert!(known, "{line}");
            }
        }
        assert!(page(Some("dance")).is_err());
    }
}
