//! One wording for both fronts: where they say something else, the sentence says so itself.
//!
//! `{withdraw}` is an act by its word, or its footer's word: `u` on the screen, `withdraw N` by lines.
//! `{press|type} it again` is one or the other, and may hold acts in turn. `{}` is a value, which is put in
//! as it is.

use super::BINDINGS;

/// Where something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// Where keys are pressed.
    Keys,
    /// Where lines are typed.
    Lines,
}

/// The wording for a front.
pub fn word_for(front: Front, wording: &str, value: &str) -> String {
    let mut out = String::with_capacity(wording.len() + value.len());
    let mut rest = wording;
    while let Some((before, behind)) = rest.split_once('{') {
        let Some(end) = closing(behind) else { break };
        let inside = behind.get(..end).unwrap_or_default();
        out.push_str(before);
        match (inside, alternatives(inside), front) {
            ("", _, _) => out.push_str(value),
            (_, Some((keys, _)), Front::Keys) => out.push_str(&word_for(front, keys, value)),
            (_, Some((_, lines)), Front::Lines) => out.push_str(&word_for(front, lines, value)),
            (act, None, front) => out.push_str(&name_act(front, act)),
        }
        rest = behind.get(end + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The wording where keys are pressed, of what has no value in it. What a server or a script says is put in
/// afterwards: braces are nothing in it.
pub fn name_keys(wording: &str) -> String {
    word_for(Front::Keys, wording, "")
}

/// The key that asks for an act, as the screen names it.
pub fn key_of(act: &str) -> String {
    name_act(Front::Keys, act)
}

/// Where the brace is closed that was opened before the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let close = text.char_indices().find(|(_, c)| match c {
        '{' => {
            depth += 1;
            false
        }
        '}' if depth == 0 => true,
        '}' => {
            depth -= 1;
            false
        }
        _ => false,
    });
    close.map(|(at, _)| at)
}

/// The two sides of a `|` that is in no brace of its own.
fn alternatives(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let bar = text.char_indices().find(|(_, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *c == '|'
    });
    let (at, _) = bar?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// An act as one asks for it there: by the first key of its own, or by its word and what has to follow it.
fn name_act(front: Front, act: &str) -> String {
    let mut bindings = BINDINGS.iter();
    let named = bindings.find(|own| [own.word, own.label, own.name].contains(&act));
    match (named, front) {
        (Some(binding), Front::Keys) => binding.first_key(),
        (Some(binding), Front::Lines) if !binding.word.is_empty() => {
            let needed = binding.after.split(" [").next().unwrap_or_default();
            format!("{}{needed}", binding.word)
        }
        (Some(_), Front::Lines) => act.to_owned(),
        // A test finds it.
        (None, _) => format!("{{{act}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_front_gets_its_own() {
        for (wording, keys, lines) in [
            (
                "{withdraw} withdraws it.",
                "u withdraws it.",
                "withdraw N withdraws it.",
            ),
            (
                "{press|type} {quit} again",
                "press q again",
                "type quit again",
            ),
            ("a{; {sign} signs|}", "a; Space signs", "a"),
            ("{} and {|{}}", "{x|y} and ", "{x|y} and {x|y}"),
            ("{messages} shows it", "m shows it", "messages shows it"),
            (
                "{nothing} of {open",
                "{nothing} of {open",
                "{nothing} of {open",
            ),
        ] {
            assert_eq!(word_for(Front::Keys, wording, "{x|y}"), keys);
            assert_eq!(word_for(Front::Lines, wording, "{x|y}"), lines);
        }
    }
}
