//! What was measured: figures, their goals, the table for the eye and the JSON for programs.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Whose figure it is; in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// A receiver that only discards: the limit of the machine.
    Discard,
    /// A receiver that looks before it takes, and does what the method does, bare of all else: the limit of who loses nothing.
    Peek,
    /// Debian's `/usr/lib/cyrus/bin/notifyd`.
    Stock,
    /// The one of this package.
    Ours,
}

impl Who {
    /// All of them, in the order in which they take turns.
    pub(crate) const ALL: [Who; 4] = [Who::Discard, Who::Peek, Who::Stock, Who::Ours];

    fn name(self) -> &'static str {
        match self {
            Who::Discard => "discard",
            Who::Peek => "peek",
            Who::Stock => "stock",
            Who::Ours => "ours",
        }
    }
}

/// What ours shall reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// This part of what the discarding receiver does, round by round, at the median.
    OfDiscard(f64),
    /// Not less than stock.
    NotUnderStock,
    /// So many times what stock does, at the median.
    TimesStock(f64),
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

/// One line of the table: samples by whose they are, one a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figure {
    name: String,
    unit: &'static str,
    goals: Vec<Goal>,
    samples: BTreeMap<Who, Vec<f64>>,
    note: String,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, goals: &[Goal]) -> Figure {
        Figure {
            name: name.into(),
            unit,
            goals: goals.to_vec(),
            ..Figure::default()
        }
    }

    /// Adds a sample.
    pub(crate) fn add(&mut self, who: Who, sample: f64) {
        self.samples.entry(who).or_default().push(sample);
    }

    /// Says something about the figure below the table.
    pub(crate) fn note(mut self, text: impl Into<String>) -> Figure {
        self.note = text.into();
        self
    }

    /// The median of whose it is, if there is one.
    pub(crate) fn median(&self, who: Who) -> Option<f64> {
        self.samples.get(&who).map(|samples| spread(samples).0)
    }

    /// A goal in words, how far ours is, and whether that is enough; `None` when nothing was measured.
    fn judge(&self, goal: Goal) -> Option<(String, f64, bool)> {
        let ours = self.median(Who::Ours)?;
        Some(match goal {
            Goal::OfDiscard(part) => {
                let ratio = self.ratio(Who::Discard)?;
                (format!("≥ {part} of discard"), ratio, ratio >= part)
            }
            Goal::NotUnderStock => {
                let ratio = self.ratio(Who::Stock)?;
                ("≥ stock".into(), ratio, ratio >= 1.0)
            }
            Goal::TimesStock(times) => {
                let ratio = self.ratio(Who::Stock)?;
                (format!("≥ {times} times stock"), ratio, ratio >= times)
            }
            Goal::AtLeast(least) => (format!("≥ {}", short(least)), ours, ours >= least),
            Goal::AtMost(most) => (format!("≤ {}", short(most)), ours, ours <= most),
        })
    }

    /// The median over the rounds of ours by the other's: neighbours in time share the machine's mood.
    fn ratio(&self, other: Who) -> Option<f64> {
        let (ours, other) = (self.samples.get(&Who::Ours)?, self.samples.get(&other)?);
        let ratios: Vec<f64> = ours.iter().zip(other).map(|(a, b)| a / b).collect();
        (!ratios.is_empty()).then(|| spread(&ratios).0)
    }

    fn json(&self) -> Value {
        let mut value = json!({ "measure": self.name, "unit": self.unit });
        for (who, samples) in &self.samples {
            let (median, min, max) = spread(samples);
            value[who.name()] =
                json!({ "median": median, "min": min, "max": max, "rounds": samples });
        }
        let goals = self.goals.iter().map(|goal| match self.judge(*goal) {
            Some((text, value, met)) => json!({ "goal": text, "value": value, "met": met }),
            None => json!({ "goal": format!("{goal:?}"), "met": null }),
        });
        value["goals"] = goals.collect();
        if !self.note.is_empty() {
            value["note"] = self.note.clone().into();
        }
        value
    }

    /// The cells of its line.
    fn cells(&self) -> [String; 6] {
        let cell = |who: Who| match self.samples.get(&who) {
            None => "–".to_owned(),
            Some(samples) => {
                let (median, min, max) = spread(samples);
                match samples.len() {
                    1 => short(median),
                    _ => format!("{} ({} … {})", short(median), short(min), short(max)),
                }
            }
        };
        let verdict = |goal: &Goal| match self.judge(*goal) {
            None => "not measured".to_owned(),
            Some((text, value, met)) => {
                let word = if met { "met" } else { "MISSED" };
                match goal {
                    Goal::AtLeast(_) | Goal::AtMost(_) => format!("{text} {word}"),
                    Goal::OfDiscard(_) => match self.ratio(Who::Peek) {
                        Some(ratio) => format!("{text} {word}: {value:.2} ({ratio:.2} of peek)"),
                        None => format!("{text} {word}: {value:.2}"),
                    },
                    Goal::NotUnderStock | Goal::TimesStock(_) => {
                        format!("{text} {word}: {value:.2}")
                    }
                }
            }
        };
        let verdicts: Vec<String> = self.goals.iter().map(verdict).collect();
        [
            format!("{} [{}]", self.name, self.unit),
            cell(Who::Discard),
            cell(Who::Peek),
            cell(Who::Stock),
            cell(Who::Ours),
            verdicts.join("; "),
        ]
    }
}

/// Median, least and greatest of samples, of which there must be one.
pub(crate) fn spread(samples: &[f64]) -> (f64, f64, f64) {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    };
    (median, sorted[0], sorted[sorted.len() - 1])
}

/// A number for the eye: three digits that count.
fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 1_000_000.0 => format!("{:.2}M", number / 1e6),
        n if n >= 10_000.0 => format!("{:.0}k", number / 1e3),
        n if n >= 1000.0 => format!("{:.1}k", number / 1e3),
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 1.0 => format!("{:.3}", number)
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        _ => format!("{number:.4}"),
    }
}

/// The table, and the notes below it.
pub(crate) fn table(figures: &[Figure]) -> String {
    let head = [
        "measure",
        "discard",
        "peek",
        "stock",
        "ours: median (min … max)",
        "goal",
    ]
    .map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(head)
        .chain(figures.iter().map(Figure::cells))
        .collect();
    let mut widths = [0; 6];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text += &format!("| {} |\n", cells.join(" | "));
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            text += &format!("| {} |\n", rules.join(" | "));
        }
    }
    for figure in figures.iter().filter(|figure| !figure.note.is_empty()) {
        text += &format!("\n{}: {}", figure.name, figure.note);
    }
    text + "\n"
}

/// The same for programs.
pub(crate) fn json(figures: &[Figure], machine: Value) -> Value {
    let figures: Vec<Value> = figures.iter().map(Figure::json).collect();
    json!({ "machine": machine, "figures": figures })
}
