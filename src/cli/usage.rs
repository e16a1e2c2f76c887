//! Wrong usage in words for somebody who knows psql by heart.
//!
//! The parser of the command line would propose to pass `-f` as a value. What is not an option's name
//! is never repeated: it may be anything, a password among it (I9).

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The error as told to a person; `None` where the parser's own words will do.
pub(super) fn in_our_words(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    if !argument.starts_with('-') {
        return Some(
            "one runbook or script is taken, and there is one more word on the command line. A database \
             is named with -d, a role with -U; --help shows every option"
                .to_owned(),
        );
    }
    let here = match argument.as_str() {
        "-f" | "--file" => "the script stands without an option: stagegate run SCRIPT.sql",
        "-v" | "--set" | "--variable" => "it goes with what reads a script",
        "-1" | "--single-transaction" => {
            "it is not needed: a script always runs in one transaction, and COMMIT is your key"
        }
        "-X" | "--no-psqlrc" => "it is not needed: no psqlrc is read",
        "-c" | "--command" => "no commands are taken: put them into a script",
        "-a" | "--echo-all" | "-b" | "--echo-errors" | "-e" | "--echo-queries" | "-q" => {
            "it is not needed: every statement is on the screen and in the journal"
        }
        "-L" | "--log-file" | "-o" => {
            "the run is written into its journal: --journal PATH, then stagegate report"
        }
        _ => return None,
    };
    Some(format!("{argument} is psql's; here {here}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;
    use clap::Parser;

    fn told(arguments: &[&str]) -> Option<String> {
        let error = Arguments::try_parse_from([&["stagegate"], arguments].concat()).unwrap_err();
        in_our_words(&error)
    }

    #[test]
    fn psqls_options_are_told_by_what_they_are_here() {
        for (arguments, words) in [
            (["run", "-f", "x.sql"], "without an option"),
            (["run", "x.sql", "-1"], "one transaction"),
            (["run", "x.sql", "-X"], "no psqlrc"),
            (["run", "--file=x.sql", "-w"], "without an option"),
            (["show", "-c", "SELECT 1"], "put them into a script"),
        ] {
            let told = told(&arguments).unwrap();
            assert!(told.contains(words), "{arguments:?}: {told}");
        }
        assert_eq!(told(&["run", "--hold-limt", "5s"]), None);
    }

    #[test]
    fn a_word_too_many_is_not_repeated() {
        let told = told(&["run", "x.sql", "SECRET"]).unwrap();
        assert!(told.contains("-d") && !told.contains("SECRET"), "{told}");
    }
}
