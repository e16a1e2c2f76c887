//! What a person types in the first week, for help and man pages.

use clap::Command;

/// Command, what is typed after its name, and what that does. In the order of a first week.
pub(super) const EXAMPLES: [(&str, &str, &str); 12] = [
    (
        "demo",
        "",
        "Walk the built-in runbook on a throw-away server, with nothing at stake.",
    ),
    (
        "show",
        "migration.sql",
        "What a script would do, statement by statement, without any server.",
    ),
    (
        "rehearse",
        "release-42/ --clone -d wiser_ops",
        "Walk a runbook up and down on a throw-away copy of the schema.",
    ),
    (
        "run",
        "migration.sql -h db1 -d wiser_ops",
        "Walk a script, to COMMIT or ROLLBACK.",
    ),
    (
        "run",
        "release-42/ -d service=production",
        "Walk a runbook: a folder with runbook.toml.",
    ),
    (
        "run",
        "migration.sql -d wiser_ops --plain",
        "The same by lines, where no full screen can be had.",
    ),
    (
        "rollback",
        "release-42/ -d wiser_ops",
        "Walk the runbook's way back.",
    ),
    (
        "verify",
        "release-42/ -d wiser_ops --format json",
        "Run the checks, read-only; exit code 0 when every one passes.",
    ),
    (
        "inspect",
        "release-42/ -d wiser_ops",
        "See what of a runbook is on a database, read-only.",
    ),
    (
        "outcome",
        "",
        "Ask the server which way the newest run went.",
    ),
    (
        "report",
        "--format html -o run.html",
        "The newest run as a page.",
    ),
    (
        "export",
        "release-42/",
        "The built-in runbook as a folder to start from.",
    ),
];

/// `whole` with the examples below the help of each command, and the first of each below its own.
pub(super) fn with_examples(whole: Command) -> Command {
    let closing = whole.get_after_help().cloned().unwrap_or_default();
    let mut first: Vec<&str> = Vec::new();
    let firsts = |(command, ..): &&(&'static str, &str, &str)| {
        let new = !first.contains(command);
        first.push(command);
        new
    };
    let firsts = told(EXAMPLES.iter().filter(firsts));
    let whole = whole.after_help(format!("{firsts}\n{closing}"));
    let names: Vec<String> = whole
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    names.iter().fold(whole, |whole, name| {
        let told = told(EXAMPLES.iter().filter(|(command, ..)| command == name));
        whole.mut_subcommand(name, |sub| match told.is_empty() {
            true => sub,
            false => sub.after_help(told),
        })
    })
}

fn told<'a>(
    examples: impl Iterator<Item = &'a (&'static str, &'static str, &'static str)>,
) -> String {
    let lines: Vec<String> = examples
        .map(|(command, rest, what)| {
            let typed = format!("stagegate {command} {rest}");
            format!("  {}\n          {what}\n", typed.trim_end())
        })
        .collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!("Examples:\n{}", lines.concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::Arguments;
    use clap::{CommandFactory, Parser};

    #[test]
    fn each_example_can_be_typed() {
        for (command, rest, _) in EXAMPLES {
            let words = ["stagegate", command]
                .into_iter()
                .chain(rest.split_whitespace());
            Arguments::try_parse_from(words).unwrap();
        }
    }

    #[test]
    fn help_closes_with_examples() {
        let help = |words: &[&str]| {
            let whole = with_examples(Arguments::command());
            whole.try_get_matches_from(words).unwrap_err().to_string()
        };
        for (command, rest, what) in EXAMPLES {
            let told = help(&["stagegate", command, "--help"]);
            let typed = format!("  stagegate {command} {rest}");
            for words in ["Examples:", typed.trim_end(), what] {
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
