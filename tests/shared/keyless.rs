//! What is told where no key means anything names none.

/// What only a key is called: one small letter that is no article and no word of the command line, or
/// the name of a key.
pub fn key_in(line: &str) -> Option<&str> {
    let mut counted = false;
    line.split_whitespace().find(|word| {
        // What stands behind a number is its unit.
        let unit = std::mem::replace(&mut counted, word.ends_with(|c: char| c.is_ascii_digit()));
        let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '-');
        let letter = word.len() == 1 && word.chars().all(|c| c.is_ascii_lowercase());
        (letter && word != "a" && !unit)
            || ["Esc", "Space", "Tab", "press", "pressed"].contains(&word)
    })
}
