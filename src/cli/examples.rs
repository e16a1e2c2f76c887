//! What a person types in the first week, for help and man pages.

use clap::Command;

/// What is typed after the name of the program, a command first, and what that does. In the order of a
/// first week.
const EXAMPLES: [(&str, &str); 12] = [
    (
        "demo",
        "Walk the built-in runbook on a throw-away server, with nothing at stake.",
    ),
    (
        "show migration.sql",
        "What a script would do, statement by statement, without any server.",
    ),
    (
        "rehearse release-42/ --clone -d wiser_ops",
        "Walk a runbook up and down on a throw-away copy of the schema.",
    ),
    (
        "run migration.sql -h db1 -d wiser_ops",
        "Walk a script, to COMMIT or ROLLBACK.",
    ),
    (
        "run release-42/ -d service=production",
        "Walk a runbook: a folder with runbook.toml.",
    ),
    (
        "run migration.sql -d wiser_ops --plain",
        "The same by lines, where no full screen can be had.",
    ),
    (
        "rollback release-42/ -d wiser_ops",
        "Walk the runbook's way back.",
    ),
    (
        "verify release-42/ -d wiser_ops --format json",
        "Run the checks, read-only; exit code 0 when every one passes.",
    ),
    (
        "inspect release-42/ -d wiser_ops",
        "See what of a runbook is on a database, read-only.",
    ),
    ("outcome", "Ask the server which way the newest run went."),
    (
        "report --format html -o run.html",
        "The newest run as a page.",
    ),
    (
        "export release-42/",
        "The built-in runbook as a folder to start from.",
    ),
];

/// The whole lines of a command's examples, or of all, and what each does.
pub(super) fn examples_of(command: Option<&str>) -> impl Iterator<Item = (String, &'static str)> {
    let its = EXAMPLES
        .iter()
        .filter(move |(typed, _)| command.is_none_or(|command| command_in(typed) == command));
    its.map(|(typed, what)| (format!("stagegate {typed}"), *what))
}

fn command_in(typed: &str) -> &str {
    typed.split(' ').next().unwrap_or_default()
}

/// `whole` with the examples below the help of each command, and the first of each below its own.
pub(super) fn with_examples(whole: Command) -> Command {
    let closing = whole.get_after_help().cloned().unwrap_or_default();
    // Those of one command stand together.
    let mut commands = EXAMPLES.map(|(typed, _)| command_in(typed)).to_vec();
    commands.dedup();
    let firsts = tell(
        commands
            .iter()
            .filter_map(|one| examples_of(Some(one)).next()),
    );
    whole
        .after_help(format!("{firsts}\n{closing}"))
        .mut_subcommands(|sub| {
            let told = tell(examples_of(Some(sub.get_name())));
            match told.is_empty() {
                true => sub,
                false => sub.after_help(told),
            }
        })
}

/// Nothing where there are none.
fn tell(examples: impl Iterator<Item = (String, &'static str)>) -> String {
    let told = examples.map(|(typed, what)| format!("  {typed}\n          {what}\n"));
    let told: String = told.collect();
    match told.is_empty() {
        true => told,
        false => format!("Examples:\n{told}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::Arguments;
    use clap::{CommandFactory, Parser};

    #[test]
    fn each_example_can_be_typed() {
        for (typed, _) in EXAMPLES {
            let words = ["stagegate"].into_iter().chain(typed.split_whitespace());
            Arguments::try_parse_from(words).unwrap();
        }
    }

    #[test]
    fn help_closes_with_examples() {
        let help = |words: &[&str]| {
            let whole = with_examples(Arguments::command());
            whole.try_get_matches_from(words).unwrap_err().to_string()
        };
        for (typed, what) in EXAMPLES {
            let told = help(&["stagegate", command_in(typed), "--help"]);
            let typed = format!("  stagegate {typed}");
            for words in ["Examples:", &typed, what] {
                assert!(told.contains(words), "{words}: {told}");
            }
        }
        let whole = help(&["stagegate", "--help"]);
        assert!(whole.contains("Examples:\n  stagegate demo\n"), "{whole}");
        assert!(whole.contains("Exit codes: 0 committed"), "{whole}");
    }

    #[test]
    fn a_rehearsal_does_not_offer_what_decides() {
        for words in [
            &["--second-signer"][..],
            &["--decide", "held"],
            &["--backup-dir", "/"],
        ] {
            let typed = |command| [&["stagegate", command], words].concat();
            assert!(Arguments::try_parse_from(typed("rehearse")).is_err());
            assert!(Arguments::try_parse_from(typed("run")).is_ok());
        }
    }
}
