//! Lines and columns of places in a text, in logarithmic time however long its lines are.

/// How many bytes lie between two known counts of characters.
const STEP: usize = 256;

/// The lines of a text of less than 4 GiB and its characters, counted once.
#[derive(Debug, Clone)]
pub(super) struct Places {
    line_starts: Vec<u32>,
    /// How many characters start before byte `n * STEP`.
    characters: Vec<u32>,
}

fn starts_character(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

impl Places {
    pub(super) fn new(text: &str) -> Places {
        let mut line_starts = vec![0];
        let mut characters = Vec::with_capacity(text.len() / STEP + 1);
        let mut count: u32 = 0;
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        for (step, bytes) in text.as_bytes().chunks(STEP).enumerate() {
            characters.push(count);
            // Numbers as short as they can be are added up many at a time.
            let here: u16 = bytes.iter().map(|&b| u16::from(starts_character(b))).sum();
            count = count.saturating_add(u32::from(here));
            if bytes.contains(&b'\n') {
                let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
                line_starts.extend(ends.map(|(at, _)| place(step * STEP + at + 1)));
            }
        }
        Places {
            line_starts,
            characters,
        }
    }

    /// The line that byte `at` stands on, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.line_starts
            .partition_point(|&start| start as usize <= at)
            .max(1)
    }

    pub(super) fn start(&self, line: usize) -> usize {
        let at = self.line_starts.get(line.saturating_sub(1));
        at.copied().unwrap_or_default() as usize
    }

    /// Line and column of byte `at` of `text`; the column in characters from 1.
    pub(super) fn place(&self, text: &str, at: usize) -> (usize, usize) {
        let line = self.line(at);
        let start = self.start(line);
        let mut column = 1 + self.characters_before(text, at) - self.characters_before(text, start);
        // A byte-order mark is no character to anyone who looks at the file.
        if line == 1 && text.starts_with('\u{feff}') && at >= 3 {
            column -= 1;
        }
        (line, column)
    }

    fn characters_before(&self, text: &str, at: usize) -> usize {
        let at = at.min(text.len());
        let step = (at / STEP).min(self.characters.len().saturating_sub(1));
        let known = self.characters.get(step).copied().unwrap_or_default();
        let rest = text.as_bytes().get(step * STEP..at).unwrap_or_default();
        known as usize + rest.iter().filter(|&&b| starts_character(b)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_place_is_where_counting_from_the_start_leads(
            text in "[a-cé日\n]{0,700}",
        ) {
            let places = Places::new(&text);
            for (at, _) in text.char_indices() {
                let before = &text[..at];
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                prop_assert_eq!(places.place(&text, at), (line, column));
            }
        }
    }
}
