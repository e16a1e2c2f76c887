//! Colours and glyphs, each in two sets: with and without colour, Unicode and ASCII.
//!
//! A meaning is never in a colour or a glyph alone; the word stands beside it (I10). Colours are
//! the terminal's own sixteen, so they follow the theme that its owner can read.

use ratatui::style::{Color, Modifier, Style};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Palette {
    Colour,
    /// Bold, reverse and underline only.
    Mono,
}

/// Which characters are used for what the program itself draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Glyphs {
    /// Lines, arrows and blocks.
    Unicode,
    /// ASCII only; what a server or script says is escaped to ASCII as well.
    Ascii,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Appearance {
    pub colour: Palette,
    pub glyphs: Glyphs,
}

impl Appearance {
    /// What the terminal can show, from the environment `env`.
    ///
    /// `NO_COLOR` with any text in it, a dumb or unnamed terminal, or none at all mean no colour.
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG` that is not empty says whether it takes UTF-8.
    /// The Linux console has colours, but its font lacks most of the glyphs.
    pub fn detect(env: impl Fn(&str) -> Option<String>, is_tty: bool) -> Appearance {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let colourful = match term.as_str() {
            "" | "dumb" => set("COLORTERM").is_some() && term.is_empty(),
            // vt100 and its like are monochrome; an emulator that calls itself so sets COLORTERM.
            name if name.starts_with("vt") || name.contains("mono") || name.ends_with("-m") => {
                set("COLORTERM").is_some()
            }
            _ => true,
        };
        let colour = if is_tty && colourful && set("NO_COLOR").is_none() {
            Palette::Colour
        } else {
            Palette::Mono
        };
        let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(set)
            .is_some_and(|locale| {
                let locale = locale.to_ascii_lowercase();
                locale.contains("utf-8") || locale.contains("utf8")
            });
        let glyphs = if utf8 && !matches!(term.as_str(), "dumb" | "linux") {
            Glyphs::Unicode
        } else {
            Glyphs::Ascii
        };
        Appearance { colour, glyphs }
    }

    fn style(self, colour: Style, mono: Style) -> Style {
        match self.colour {
            Palette::Colour => colour,
            Palette::Mono => mono,
        }
    }

    /// It holds, it is done, it is committed.
    pub(crate) fn good(self) -> Style {
        self.style(
            Style::new().fg(Color::Green).add_modifier(Modifier::BOLD),
            Style::new().add_modifier(Modifier::BOLD),
        )
    }

    /// It fails; it locks others out.
    pub(crate) fn bad(self) -> Style {
        self.style(
            Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        )
    }

    /// It waits, or a person should know.
    pub(crate) fn warn(self) -> Style {
        self.style(
            Style::new().fg(Color::Yellow),
            Style::new().add_modifier(Modifier::UNDERLINED),
        )
    }

    pub(crate) fn key(self) -> Style {
        self.style(
            Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
            Style::new().add_modifier(Modifier::BOLD),
        )
    }

    pub(crate) fn dim(self) -> Style {
        self.style(Style::new().add_modifier(Modifier::DIM), Style::new())
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The place where one is.
    pub(crate) fn here(self) -> Style {
        self.style(
            Style::new()
                .fg(Color::Cyan)
                .add_modifier(Modifier::BOLD | Modifier::REVERSED),
            Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        )
    }

    /// A band across the screen: it went well.
    pub(crate) fn band_good(self) -> Style {
        self.style(
            Style::new()
                .fg(Color::Black)
                .bg(Color::Green)
                .add_modifier(Modifier::BOLD),
            Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        )
    }

    /// A band across the screen: a transaction is open, something waits.
    pub(crate) fn band_warn(self) -> Style {
        self.style(
            Style::new()
                .fg(Color::Black)
                .bg(Color::Yellow)
                .add_modifier(Modifier::BOLD),
            Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        )
    }

    /// A band across the screen: impossible to miss.
    pub(crate) fn band_bad(self) -> Style {
        self.style(
            Style::new()
                .fg(Color::White)
                .bg(Color::Red)
                .add_modifier(Modifier::BOLD),
            Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED | Modifier::UNDERLINED),
        )
    }

    pub(crate) fn sql_keyword(self) -> Style {
        self.style(
            Style::new().fg(Color::Blue).add_modifier(Modifier::BOLD),
            Style::new().add_modifier(Modifier::BOLD),
        )
    }

    pub(crate) fn sql_string(self) -> Style {
        self.style(Style::new().fg(Color::Green), Style::new())
    }

    pub(crate) fn sql_number(self) -> Style {
        self.style(Style::new().fg(Color::Magenta), Style::new())
    }

    pub(crate) fn sql_comment(self) -> Style {
        self.style(Style::new().add_modifier(Modifier::DIM), Style::new())
    }

    pub(crate) fn sql_meta(self) -> Style {
        self.style(
            Style::new().fg(Color::Yellow),
            Style::new().add_modifier(Modifier::UNDERLINED),
        )
    }
}

impl Glyphs {
    fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self {
            Glyphs::Unicode => unicode,
            Glyphs::Ascii => ascii,
        }
    }

    /// Something was cut off here.
    pub(crate) fn ellipsis(self) -> &'static str {
        self.pick("…", "..")
    }

    /// Between facts on one line.
    pub(crate) fn dot(self) -> &'static str {
        self.pick("·", "|")
    }

    /// From one step to the next.
    pub(crate) fn then(self) -> &'static str {
        self.pick("›", ">")
    }

    /// The cursor of a list.
    pub(crate) fn cursor(self) -> &'static str {
        self.pick("▸", ">")
    }

    pub(crate) fn tick(self) -> &'static str {
        self.pick("✓", "ok")
    }

    pub(crate) fn signed(self) -> &'static str {
        self.pick("✓", "*")
    }

    pub(crate) fn cross(self) -> &'static str {
        self.pick("✗", "FAILED")
    }

    /// A finding or warning stands here.
    pub(crate) fn mark(self) -> &'static str {
        self.pick("▲", "!")
    }

    /// Between the two numbers of a size.
    pub(crate) fn times(self) -> &'static str {
        self.pick("×", "x")
    }

    pub(crate) fn rule(self) -> &'static str {
        self.pick("─", "-")
    }

    pub(crate) fn upright(self) -> &'static str {
        self.pick("│", "|")
    }

    /// The corners of a box: top left, top right, bottom left, bottom right.
    pub(crate) fn corners(self) -> [&'static str; 4] {
        match self {
            Glyphs::Unicode => ["╭", "╮", "╰", "╯"],
            Glyphs::Ascii => ["+", "+", "+", "+"],
        }
    }

    /// A bar's full and empty part.
    pub(crate) fn bar(self) -> (&'static str, &'static str) {
        match self {
            Glyphs::Unicode => ("█", "░"),
            Glyphs::Ascii => ("#", "."),
        }
    }

    /// Where typed text goes on.
    pub(crate) fn caret(self) -> &'static str {
        self.pick("█", "_")
    }

    /// There is more below, and above.
    pub(crate) fn more(self) -> (&'static str, &'static str) {
        match self {
            Glyphs::Unicode => ("▼", "▲"),
            Glyphs::Ascii => ("v", "^"),
        }
    }

    /// A line goes on to the left, and to the right.
    pub(crate) fn to_left(self) -> &'static str {
        self.pick("‹", "<")
    }

    pub(crate) fn to_right(self) -> &'static str {
        self.pick("›", ">")
    }

    /// Something moves; `now` in milliseconds.
    pub(crate) fn spinner(self, now: u64) -> &'static str {
        let frames: &[&'static str] = match self {
            Glyphs::Unicode => &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
            Glyphs::Ascii => &["|", "/", "-", "\\"],
        };
        let turn = (now / 120) as usize % frames.len();
        frames.get(turn).copied().unwrap_or("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(vars: &[(&str, &str)]) -> (Palette, Glyphs) {
        let look = Appearance::detect(
            |name| {
                vars.iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            },
            true,
        );
        (look.colour, look.glyphs)
    }

    #[test]
    fn colour_and_glyphs_follow_the_environment() {
        use Glyphs::{Ascii, Unicode};
        use Palette::{Colour, Mono};
        let utf8 = ("LANG", "en_GB.UTF-8");
        let xterm = ("TERM", "xterm-256color");
        assert_eq!(detect(&[xterm, utf8]), (Colour, Unicode));
        assert_eq!(detect(&[xterm, utf8, ("NO_COLOR", "1")]), (Mono, Unicode));
        assert_eq!(detect(&[xterm, utf8, ("NO_COLOR", "")]), (Colour, Unicode));
        assert_eq!(detect(&[xterm]), (Colour, Ascii));
        assert_eq!(detect(&[xterm, utf8, ("LC_ALL", "C")]), (Colour, Ascii));
        assert_eq!(detect(&[xterm, utf8, ("LC_ALL", "")]), (Colour, Unicode));
        assert_eq!(
            detect(&[xterm, ("LANG", "C"), ("LC_CTYPE", "C.utf8")]),
            (Colour, Unicode)
        );
        assert_eq!(detect(&[("TERM", "dumb"), utf8]), (Mono, Ascii));
        assert_eq!(detect(&[("TERM", "linux"), utf8]), (Colour, Ascii));
        assert_eq!(detect(&[("TERM", "vt220"), utf8]), (Mono, Unicode));
        assert_eq!(detect(&[utf8]), (Mono, Unicode));
    }

    #[test]
    fn without_a_terminal_there_is_no_colour() {
        let look = Appearance::detect(|name| (name == "TERM").then(|| "xterm".to_owned()), false);
        assert_eq!(look.colour, Palette::Mono);
    }
}
