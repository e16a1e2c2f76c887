//! What psql's meta-commands do to a script that is being read: set variables, include files.
//!
//! One that is not understood, or that stands where it would mean something else, is refused with its
//! place. None is left out silently.

use std::path::{Path, PathBuf};

use super::super::encoding::Charset;
use super::super::meta::{self, MetaMeaning};
use super::super::ordinary::read_ordinary_file;
use super::super::printable::printable;
use super::super::scanner::MetaCommand;
use super::super::script::Echo;
use super::{At, INCLUDE_DEPTH, SCRIPT_LIMIT, ScriptFile, ScriptReading, copying};

impl ScriptReading {
    #[expect(clippy::too_many_lines, reason = "a table of commands")]
    pub(super) fn meta_command(
        &mut self,
        file: &mut ScriptFile<'_>,
        at: At<'_>,
        command: &MetaCommand,
    ) {
        let (line, _) = self.place(file, at.laid.in_file(command.span.start));
        let comment = self.comments(file, at, &command.comments, Some(line));
        self.blank(file.source, at, command.span.clone());
        let shown = printable(&command.name).into_owned();
        let inside = command
            .inside_statement
            .then(|| self.script.statements.len() + 1);
        let may_stand = !command.inside_statement && self.restricted.is_none();
        if copying::is_one(&command.name) && may_stand {
            if let Err(why) = self.copy_command(file, at, command, comment) {
                if let Some(data) = &command.copy_data {
                    self.blank(file.source, at, data.clone());
                }
                let why = copying::refused(&shown, &why);
                self.refuse(file, at, command.span.start, None, why);
            }
            return;
        }
        let refuse = |reading: &mut ScriptReading, reason: String| {
            // `\g` and its like have ended the statement that they belong to.
            let statement = match meta::effect(&command.name) {
                meta::MetaEffect::Send => inside.map(|next| next - 1),
                _ => inside,
            };
            reading.refuse(file, at, command.span.start, statement, reason);
        };
        if self.restricted.is_some() && command.name != "unrestrict" {
            refuse(
                self,
                format!("\\{shown} stands behind \\restrict, so psql would not take it; remove it"),
            );
            return;
        }
        match meta::meaning(&command.name, &command.arguments, command.open_quote) {
            MetaMeaning::Refused(reason) => refuse(self, printable(&reason).into_owned()),
            _ if command.inside_statement => refuse(
                self,
                format!(
                    "\\{shown} stands inside a statement; end the statement with a semicolon first"
                ),
            ),
            MetaMeaning::Nothing => {}
            MetaMeaning::Echo(text) => self.script.echoes.push(Echo {
                behind: self.script.statements.len(),
                text,
            }),
            MetaMeaning::Set(variable, value) => {
                self.variables.set(variable, value);
            }
            MetaMeaning::Unset(variable) => {
                self.variables.unset(&variable);
            }
            MetaMeaning::Encoding(name) => match Charset::named(&name) {
                Ok(charset) => self.go_over(file, line, charset),
                Err(why) => refuse(self, format!("\\encoding {}: {why}", printable(&name))),
            },
            MetaMeaning::Restrict(key) => self.restricted = Some(key),
            MetaMeaning::Unrestrict(key) => match self.restricted.take() {
                Some(own) if own == key => {}
                Some(own) => {
                    self.restricted = Some(own);
                    refuse(
                        self,
                        "\\unrestrict has another key than \\restrict".to_owned(),
                    );
                }
                None => refuse(self, "\\unrestrict stands behind no \\restrict".to_owned()),
            },
            MetaMeaning::Include(name) => {
                if let Err(reason) = self.include(file, &name, None) {
                    refuse(self, reason);
                }
                self.go_over(file, line, self.charset);
            }
            MetaMeaning::IncludeRelative(name) => {
                let folder = file.path.and_then(Path::parent);
                if let Err(reason) = self.include(file, &name, folder) {
                    refuse(self, reason);
                }
                self.go_over(file, line, self.charset);
            }
        }
    }

    fn include(
        &mut self,
        from: &ScriptFile<'_>,
        name: &str,
        folder: Option<&Path>,
    ) -> Result<(), String> {
        let shown = printable(name).into_owned();
        let Some(own) = from.path else {
            return Err(format!(
                "{shown} is not included: a built-in script stands alone"
            ));
        };
        let path = match folder {
            Some(folder) => folder.join(name),
            None => PathBuf::from(name),
        };
        let known = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let target = known(&path);
        self.open_files.push(known(own));
        let result = if self.open_files.contains(&target) {
            Err(format!(
                "{shown} includes itself, directly or through another file"
            ))
        } else if self.open_files.len() >= INCLUDE_DEPTH {
            Err(format!(
                "files are included more than {INCLUDE_DEPTH} deep; put them into one script"
            ))
        } else {
            match read_ordinary_file(&path) {
                Err(error) => Err(format!("{shown} cannot be read: {error}")),
                Ok(bytes) if self.bytes + bytes.len() > SCRIPT_LIMIT => Err(format!(
                    "with {shown} the script has more than {} MiB; that is no script to review",
                    SCRIPT_LIMIT >> 20
                )),
                Ok(bytes) => {
                    self.file(name.to_owned(), Some(&path), &bytes);
                    Ok(())
                }
            }
        };
        self.open_files.pop();
        result
    }
}
