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
    ours: String,
    floor: String,
    ratio: String,
    aim: String,
}

/// All rows so far.
pub struct Table {
    pub extent: Extent,
    rows: Vec<Row>,
}

impl Table {
    pub fn new(extent: Extent) -> Table {
        Table {
            extent,
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

    /// How many pairs a row takes.
    pub fn pairs(&self) -> usize {
        self.by_extent(3, 5, 7)
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
        // The first run of each reads files and fills caches for all that follow; it is not counted.
        floor();
        ours();
        let pairs: Vec<(f64, f64)> = (0..self.pairs()).map(|_| (floor(), ours())).collect();
        let ratio = Spread::of(pairs.iter().map(|(floor, ours)| ours / floor).collect());
        let ours = Spread::of(pairs.iter().map(|pair| pair.1).collect());
        let floor = Spread::of(pairs.iter().map(|pair| pair.0).collect());
        self.push(Row {
            what: what.to_owned(),
            ours: ours.told(unit),
            floor: format!("{floor_name} {}", floor.told(unit)),
            ratio: format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.least, ratio.most),
            aim: aim.to_owned(),
        });
    }

    /// A figure that stands by itself.
    pub fn tell(&mut self, what: &str, unit: &str, aim: &str, figures: Vec<f64>) {
        self.push(Row {
            what: what.to_owned(),
            ours: Spread::of(figures).told(unit),
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

    /// The rows as a page, with how they came about.
    pub fn page(&self) -> String {
        format!(
            "<!-- Written by: cargo bench --bench against_psql -- --full -->\n\n# Benchmarks\n\n\
             Medians of {} interleaved pairs, with the least and the most; {}. Both programs ran \
             on the same machine as the server. A ratio compares within one pair, so a busy \
             machine moves both; the first pair of each row is not counted.\n\n{}\n\
             *Lock window*: from the script's first statement to its last, by the server's clock; \
             *whole run*: from the program's start to its end, BEGIN to ROLLBACK. A larger \
             `maintenance_work_mem` (256 MB) and four workers did not pay on two cores (0.90 and \
             0.93 of the time without), so stagegate sets neither.\n",
            self.pairs(),
            crate::ground::machine_in_words(),
            self.markdown()
        )
    }
}
