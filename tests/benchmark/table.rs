//! What was measured: a row for each question, with what it was compared with.

use std::fmt::Write;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Small, and few times: that nothing rots.
    Short,
    /// In minutes.
    Usual,
    /// What `assets/benchmarks.md` holds.
    Full,
}

/// The median of some figures, with the least and the most.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// Of at least one figure.
    pub fn of(mut figures: Vec<f64>) -> Spread {
        figures.sort_by(f64::total_cmp);
        Spread {
            median: figures[figures.len() / 2],
            least: figures[0],
            most: figures[figures.len() - 1],
        }
    }

    fn told(self, unit: &str) -> String {
        let digits = if self.median < 10.0 { 2 } else { 0 };
        if self.least == self.most {
            return format!("{:.digits$} {unit}", self.median);
        }
        format!(
            "{:.digits$} {unit} ({:.digits$}–{:.digits$})",
            self.median, self.least, self.most
        )
    }
}

struct Row {
    what: String,
    /// What the aim is held against.
    measured: f64,
    ours: String,
    floor: String,
    ratio: String,
    aim: String,
}

/// All rows so far.
pub struct Table {
    pub extent: Extent,
    /// How many pairs a row takes.
    pairs: usize,
    /// Parts of the names of the rows that are compared; all, where there are none.
    wanted: Vec<String>,
    rows: Vec<Row>,
}

impl Table {
    /// So many `pairs` a row, or as many as go with the extent.
    pub fn new(extent: Extent, pairs: Option<usize>, wanted: Vec<String>) -> Table {
        let usual = match extent {
            Extent::Short => 3,
            Extent::Usual => 5,
            Extent::Full => 7,
        };
        Table {
            extent,
            pairs: pairs.unwrap_or(usual),
            wanted,
            rows: Vec::new(),
        }
    }

    /// One of three, by how much is measured.
    pub fn by_extent<T>(&self, short: T, usual: T, full: T) -> T {
        match self.extent {
            Extent::Short => short,
            Extent::Usual => usual,
            Extent::Full => full,
        }
    }

    /// Whether a row of that name is measured.
    pub fn wants(&self, what: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|part| what.contains(part))
    }

    /// How many runs a figure takes that stands by itself.
    pub fn runs(&self) -> usize {
        self.by_extent(1, 5, 7)
    }

    /// Measures ours and the floor in turn, in that unit; the ratio, for which there is an aim, is the
    /// median of the pairs' ratios.
    pub fn compare(
        &mut self,
        what: &str,
        (unit, aim): (&str, &str),
        mut ours: impl FnMut() -> f64,
        floor_name: &str,
        mut floor: impl FnMut() -> f64,
    ) {
        if !self.wants(what) {
            return;
        }
        // The first run of each reads files and fills caches for all that follow; it is not counted.
        floor();
        ours();
        let pairs: Vec<(f64, f64)> = (0..self.pairs).map(|_| (floor(), ours())).collect();
        let ratio = Spread::of(pairs.iter().map(|(floor, ours)| ours / floor).collect());
        let ours = Spread::of(pairs.iter().map(|pair| pair.1).collect());
        let floor = Spread::of(pairs.iter().map(|pair| pair.0).collect());
        self.push(Row {
            what: what.to_owned(),
            measured: ratio.median,
            ours: ours.told(unit),
            floor: format!("{floor_name} {}", floor.told(unit)),
            ratio: format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.least, ratio.most),
            aim: aim.to_owned(),
        });
    }

    /// A figure that stands by itself.
    pub fn tell(&mut self, what: &str, unit: &str, aim: &str, figures: Vec<f64>) {
        if figures.is_empty() {
            // Of a row that was not wanted.
            return;
        }
        let spread = Spread::of(figures);
        self.push(Row {
            what: what.to_owned(),
            measured: spread.median,
            ours: spread.told(unit),
            floor: String::new(),
            ratio: String::new(),
            aim: aim.to_owned(),
        });
    }

    fn push(&mut self, row: Row) {
        eprintln!("{}: {} | {} | {}", row.what, row.ours, row.floor, row.ratio);
        self.rows.push(row);
    }

    /// The rows as a table.
    pub fn markdown(&self) -> String {
        let mut text = "| what | stagegate | compared with | ratio | aim |\n\
                        | --- | ---: | ---: | ---: | --- |\n"
            .to_owned();
        for row in &self.rows {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                row.what, row.ours, row.floor, row.ratio, row.aim
            );
        }
        text
    }

    /// The rows that did not come to their aim, with the unit that the aim has.
    fn missed(&self) -> Vec<String> {
        let missed = self.rows.iter().filter(|row| row.misses_aim());
        let told = missed.map(|row| {
            let Row { what, aim, .. } = row;
            format!("{what} ({:.2}, aim {aim})", row.measured)
        });
        told.collect()
    }

    /// The page with these rows in the place of those that stand there, and how they came about.
    pub fn put_into(&self, page: &str) -> String {
        let (before, rest) = page.split_once(BEGINS).unwrap();
        let (_, after) = rest.split_once(ENDS).unwrap();
        let missed = match self.missed() {
            missed if missed.is_empty() => "none".to_owned(),
            missed => missed.join("; "),
        };
        format!(
            "{before}{BEGINS}\nMedians of {} interleaved pairs, with the least and the most; {}, version {}. \
             *Aims missed*: {missed}.\n\n{}{ENDS}{after}",
            self.pairs,
            crate::ground::machine_in_words(),
            env!("CARGO_PKG_VERSION"),
            self.markdown()
        )
    }
}

/// What stands around the rows in the page.
const BEGINS: &str = "<!-- measured by: cargo bench --locked --bench against_psql -- --full -->\n";
const ENDS: &str = "\n<!-- measured: the end -->\n";

impl Row {
    /// `≤ 1.2`, `< 33 ms`; what has neither sign is no bound.
    fn misses_aim(&self) -> bool {
        let Some((sign, bound)) = self.aim.split_once(' ') else {
            return false;
        };
        let number = bound.split(' ').next().unwrap_or_default();
        match (sign, number.parse::<f64>()) {
            ("≤", Ok(bound)) => self.measured > bound,
            ("<", Ok(bound)) => self.measured >= bound,
            _ => false,
        }
    }
}
