//! The man page, made from the command line's own definition and the key table.

use super::arguments::Arguments;
use crate::tui::keymap;
use clap::CommandFactory;

/// The page in roff.
pub fn page() -> String {
    let mut roff = Vec::new();
    let command = Arguments::command();
    let man = clap_mangen::Man::new(command.clone());
    // Rendering into memory cannot fail.
    let _ = man.render(&mut roff);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let title = format!(".SH \"COMMAND {}\"\n", sub.get_name().to_uppercase());
        roff.extend_from_slice(title.as_bytes());
        let man = clap_mangen::Man::new(sub.clone());
        let _ = man.render_description_section(&mut roff);
        let _ = man.render_options_section(&mut roff);
    }
    let mut text = String::from_utf8_lossy(&roff).into_owned();
    text.push_str(".SH KEYS\n");
    for row in keymap::roff_rows() {
        text.push_str(&row);
        text.push('\n');
    }
    text
}
