//! Colours and glyphs, each in two sets: with and without colour, Unicode and ASCII.
//!
//! A meaning is never in a colour or a glyph alone; the word stands beside it (I10). Colours are
//! the terminal's own sixteen, so they follow the theme that its owner can read; who says that the ground
//! is light or dark gets colours chosen for it.

use ratatui::style::{Color, Style};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Palette {
    /// The terminal's own sixteen.
    Colour,
    /// Chosen for a light ground, from the sixteen or from 256.
    Light { many: bool },
    /// Chosen for a dark ground, from 256; of the sixteen it is [`Palette::Colour`].
    Dark,
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

/// What a person says of the terminal's ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Theme {
    /// The terminal's own sixteen colours, as its owner has set them
    #[default]
    Own,
    /// Dark letters, for a white or light ground
    Light,
    /// Light letters, for a black or dark ground
    Dark,
}

struct Inks {
    good: Color,
    bad: Color,
    warn: Color,
    key: Color,
    keyword: Color,
    number: Color,
    /// What stands on a band of one of the first three.
    on_good: Color,
    on_bad: Color,
    on_warn: Color,
}

const OWN: Inks = Inks {
    good: Color::Green,
    bad: Color::Red,
    warn: Color::Yellow,
    key: Color::Cyan,
    keyword: Color::Blue,
    number: Color::Magenta,
    on_good: Color::Black,
    on_bad: Color::White,
    on_warn: Color::Black,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Appearance {
    pub colour: Palette,
    pub glyphs: Glyphs,
}

const PLAIN: Style = Style::new();

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

    /// The same on a ground that a person named; without colours there is nothing to choose.
    #[must_use]
    pub fn on(self, theme: Theme, env: impl Fn(&str) -> Option<String>) -> Appearance {
        let many = env("TERM").is_some_and(|term| term.contains("256"))
            || env("COLORTERM").is_some_and(|depth| !depth.is_empty());
        let colour = match (self.colour, theme) {
            (Palette::Mono, _) => Palette::Mono,
            (_, Theme::Light) => Palette::Light { many },
            (_, Theme::Dark) if many => Palette::Dark,
            (_, Theme::Own | Theme::Dark) => Palette::Colour,
        };
        Appearance { colour, ..self }
    }

    fn inks(self) -> Inks {
        match self.colour {
            // Bright yellow and cyan cannot be read on white.
            Palette::Light { many: true } => Inks {
                good: Color::Indexed(22),
                bad: Color::Indexed(124),
                warn: Color::Indexed(94),
                key: Color::Indexed(24),
                keyword: Color::Indexed(18),
                number: Color::Indexed(90),
                on_good: Color::Indexed(231),
                on_bad: Color::Indexed(231),
                on_warn: Color::Indexed(231),
            },
            Palette::Light { many: false } => Inks {
                warn: Color::Magenta,
                key: Color::Blue,
                on_warn: Color::White,
                ..OWN
            },
            Palette::Dark => Inks {
                good: Color::Indexed(114),
                bad: Color::Indexed(210),
                warn: Color::Indexed(221),
                key: Color::Indexed(117),
                keyword: Color::Indexed(111),
                number: Color::Indexed(183),
                on_good: Color::Indexed(16),
                on_bad: Color::Indexed(16),
                on_warn: Color::Indexed(16),
            },
            Palette::Colour | Palette::Mono => OWN,
        }
    }

    fn style(self, colour: Style, mono: Style) -> Style {
        match self.colour {
            Palette::Colour | Palette::Light { .. } | Palette::Dark => colour,
            Palette::Mono => mono,
        }
    }

    /// It holds, it is done, it is committed.
    pub(crate) fn good(self) -> Style {
        self.style(PLAIN.fg(self.inks().good).bold(), PLAIN.bold())
    }

    /// It fails; it locks others out.
    pub(crate) fn bad(self) -> Style {
        self.style(PLAIN.fg(self.inks().bad).bold(), PLAIN.bold().underlined())
    }

    /// It waits, or a person should know.
    pub(crate) fn warn(self) -> Style {
        self.style(PLAIN.fg(self.inks().warn), PLAIN.underlined())
    }

    pub(crate) fn key(self) -> Style {
        self.style(PLAIN.fg(self.inks().key).bold(), PLAIN.bold())
    }

    pub(crate) fn dim(self) -> Style {
        self.style(PLAIN.dim(), PLAIN)
    }

    pub(crate) fn strong(self) -> Style {
        PLAIN.bold()
    }

    pub(crate) fn here(self) -> Style {
        self.style(
            PLAIN.fg(self.inks().key).bold().reversed(),
            PLAIN.bold().reversed(),
        )
    }

    /// In front of what the program says amid somebody else's text, which never looks like this.
    pub(crate) fn margin(self, grave: bool) -> Style {
        let plain = PLAIN.reversed();
        match grave {
            true => self.style(plain.fg(self.inks().warn), plain.bold()),
            false => plain,
        }
    }

    /// A band across the screen: it went well.
    pub(crate) fn band_good(self) -> Style {
        self.style(
            PLAIN.fg(self.inks().on_good).bg(self.inks().good).bold(),
            PLAIN.bold().reversed(),
        )
    }

    /// A band across the screen: a transaction is open, something waits.
    pub(crate) fn band_warn(self) -> Style {
        self.style(
            PLAIN.fg(self.inks().on_warn).bg(self.inks().warn).bold(),
            PLAIN.bold().reversed(),
        )
    }

    /// A band across the screen: impossible to miss.
    pub(crate) fn band_bad(self) -> Style {
        self.style(
            PLAIN.fg(self.inks().on_bad).bg(self.inks().bad).bold(),
            PLAIN.bold().reversed().underlined(),
        )
    }

    pub(crate) fn sql_keyword(self) -> Style {
        self.style(PLAIN.fg(self.inks().keyword).bold(), PLAIN.bold())
    }

    pub(crate) fn sql_string(self) -> Style {
        self.style(PLAIN.fg(self.inks().good), PLAIN)
    }

    pub(crate) fn sql_number(self) -> Style {
        self.style(PLAIN.fg(self.inks().number), PLAIN)
    }

    pub(crate) fn sql_comment(self) -> Style {
        self.style(PLAIN.dim(), PLAIN)
    }

    pub(crate) fn sql_meta(self) -> Style {
        self.style(PLAIN.fg(self.inks().warn), PLAIN.underlined())
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

    /// How light a colour is, from 0 to 1, as eyes see it (WCAG 2).
    fn luminance(colour: Color) -> f64 {
        let Color::Indexed(index) = colour else {
            panic!("{colour:?} is the terminal's own");
        };
        let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
        let n = index - 16;
        let linear = |n: u8| {
            let part = f64::from(level(n)) / 255.0;
            match part <= 0.04045 {
                true => part / 12.92,
                false => ((part + 0.055) / 1.055).powf(2.4),
            }
        };
        0.2126 * linear(n / 36) + 0.7152 * linear(n / 6 % 6) + 0.0722 * linear(n % 6)
    }

    fn contrast(one: f64, other: f64) -> f64 {
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn what_is_chosen_for_a_ground_can_be_read_on_it() {
        let env = |name: &str| (name == "TERM").then(|| "xterm-256color".to_owned());
        let plain = Appearance::detect(env, true);
        // Not only on pure white and black.
        let white = luminance(Color::Indexed(230));
        let black = luminance(Color::Indexed(16)) + 0.02;
        for (theme, ground) in [(Theme::Light, white), (Theme::Dark, black)] {
            let inks = plain.on(theme, env).inks();
            let letters = [
                inks.good,
                inks.bad,
                inks.warn,
                inks.key,
                inks.keyword,
                inks.number,
            ];
            for ink in letters {
                let seen = contrast(luminance(ink), ground);
                assert!(seen >= 4.5, "{theme:?} {ink:?}: {seen}");
            }
            for (ink, band) in [
                (inks.on_good, inks.good),
                (inks.on_bad, inks.bad),
                (inks.on_warn, inks.warn),
            ] {
                let seen = contrast(luminance(ink), luminance(band));
                assert!(seen >= 4.5, "{theme:?} {ink:?} on {band:?}: {seen}");
            }
        }
    }

    #[test]
    fn a_ground_is_no_reason_for_colours_that_are_not_wanted_or_not_there() {
        let plain = Appearance {
            colour: Palette::Mono,
            glyphs: Glyphs::Ascii,
        };
        assert_eq!(plain.on(Theme::Light, |_| None).colour, Palette::Mono);
        let own = Appearance {
            colour: Palette::Colour,
            ..plain
        };
        assert_eq!(own.on(Theme::Own, |_| None), own);
        assert_eq!(own.on(Theme::Dark, |_| None), own);
        let few = own.on(Theme::Light, |_| None);
        assert_eq!(few.colour, Palette::Light { many: false });
        assert_eq!(few.inks().warn, Color::Magenta);
    }

    #[test]
    fn without_a_terminal_there_is_no_colour() {
        let look = Appearance::detect(|name| (name == "TERM").then(|| "xterm".to_owned()), false);
        assert_eq!(look.colour, Palette::Mono);
    }
}
