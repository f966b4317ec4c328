//! The results as a table, as numbers to keep, and as a picture that is written by hand.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::ops::{Cost, Op};

/// What was measured on one engine: a column a size, a row an operation.
pub(crate) struct Results {
    pub(crate) engine: String,
    pub(crate) sizes: Vec<usize>,
    pub(crate) costs: Vec<Vec<Cost>>,
}

impl Results {
    /// The table in Markdown; the last column is what the largest size costs beside the smallest.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("| operation, us p50 (mean) |");
        for size in &self.sizes {
            let _ = write!(text, " {} |", spaced(*size));
        }
        let _ = write!(text, " largest : smallest |\n|---|{}---|\n", "---|".repeat(self.sizes.len()));
        for (op, costs) in Op::ALL.iter().zip(&self.costs) {
            let _ = write!(text, "| {op} |");
            for cost in costs {
                let _ = write!(text, " {} ({}) |", digits(cost.p50), digits(cost.mean));
            }
            let _ = writeln!(text, " **{:.2}** |", costs[costs.len() - 1].p50 / costs[0].p50);
        }
        text
    }

    /// Keeps the numbers, so that a later run on another engine draws both.
    pub(crate) fn keep(&self, folder: &Path) {
        let mut text = self.engine.clone();
        for size in &self.sizes {
            let _ = write!(text, "\t{size}");
        }
        for (op, costs) in Op::ALL.iter().zip(&self.costs) {
            let _ = write!(text, "\n{op}");
            for cost in costs {
                let _ = write!(text, "\t{:.1} {:.1}", cost.p50, cost.mean);
            }
        }
        std::fs::write(kept(folder, &self.engine), text + "\n").expect("a file");
    }

    /// What an earlier run kept.
    pub(crate) fn recall(folder: &Path, engine: &str) -> Option<Self> {
        let text = std::fs::read_to_string(kept(folder, engine)).ok()?;
        let mut lines = text.lines().map(|line| line.split('\t'));
        let mut first = lines.next()?;
        let engine = first.next()?.to_owned();
        let sizes = first.map(|size| size.parse().ok()).collect::<Option<Vec<usize>>>()?;
        let cost = |text: &str| {
            let (p50, mean) = text.split_once(' ')?;
            Some(Cost { p50: p50.parse().ok()?, mean: mean.parse().ok()? })
        };
        let costs = lines.map(|line| line.skip(1).map(cost).collect::<Option<Vec<Cost>>>());
        let costs = costs.collect::<Option<Vec<_>>>()?;
        (costs.len() == Op::ALL.len()).then_some(Self { engine, sizes, costs })
    }
}

fn kept(folder: &Path, engine: &str) -> PathBuf {
    folder.join(format!("growth-{}.tsv", engine.to_lowercase()))
}

fn digits(us: f64) -> String {
    if us < 100.0 { format!("{us:.1}") } else { spaced(us as usize) }
}

fn spaced(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const PANEL: f64 = 430.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 50.0;
const HEIGHT: f64 = 330.0;
/// Told apart without colour too: each line has a mark of its own (Okabe and Ito's colours).
const COLOURS: [&str; 8] =
    ["#000000", "#E69F00", "#56B4E9", "#009E73", "#B8A800", "#0072B2", "#D55E00", "#CC79A7"];

/// A picture: a panel an engine, a line an operation, both axes logarithmic.
pub(crate) fn draw(all: &[Results]) -> String {
    // From 1 us to 100 ms, or further where something took longer.
    let most = all.iter().flat_map(|results| results.costs.iter().flatten()).map(|cost| cost.p50);
    let decades = most.fold(1e5, f64::max).log10().ceil();
    let width = LEFT + all.len() as f64 * (PANEL + LEFT) + 170.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        TOP + HEIGHT + 60.0
    );
    let y = |us: f64| TOP + HEIGHT * (1.0 - us.max(1.0).log10() / decades);
    for (n, results) in all.iter().enumerate() {
        let left = LEFT + n as f64 * (PANEL + LEFT);
        let (low, high) = (results.sizes[0] as f64, results.sizes[results.sizes.len() - 1] as f64);
        let x = |size: usize| {
            left + 25.0 + (PANEL - 50.0) * (size as f64 / low).log10() / (high / low).log10().max(0.1)
        };
        text(
            &mut svg,
            left + PANEL / 2.0,
            TOP - 22.0,
            "middle",
            &format!("{}: time of one operation, p50", results.engine),
        );
        for decade in 0..=decades as usize {
            let at = y(10_f64.powi(decade as i32));
            line(&mut svg, (left, at), (left + PANEL, at), "#dddddd", 1.0);
            let unit = ["us", "ms", "s"][decade / 3];
            text(&mut svg, left - 6.0, at + 4.0, "end", &format!("{} {unit}", 10_u32.pow(decade as u32 % 3)));
        }
        for size in &results.sizes {
            line(&mut svg, (x(*size), TOP), (x(*size), TOP + HEIGHT), "#eeeeee", 1.0);
            text(&mut svg, x(*size), TOP + HEIGHT + 18.0, "middle", &spaced(*size));
        }
        text(&mut svg, left + PANEL / 2.0, TOP + HEIGHT + 40.0, "middle", "orders in the database");
        for (row, costs) in results.costs.iter().enumerate() {
            let points: Vec<(f64, f64)> =
                results.sizes.iter().zip(costs).map(|(size, cost)| (x(*size), y(cost.p50))).collect();
            for pair in points.windows(2) {
                line(&mut svg, pair[0], pair[1], COLOURS[row], 2.0);
            }
            points.into_iter().for_each(|point| mark(&mut svg, point, row));
        }
    }
    let left = LEFT + all.len() as f64 * (PANEL + LEFT) - 30.0;
    for (row, op) in Op::ALL.iter().enumerate() {
        let at = TOP + 14.0 + row as f64 * 24.0;
        line(&mut svg, (left, at), (left + 28.0, at), COLOURS[row], 2.0);
        mark(&mut svg, (left + 14.0, at), row);
        text(&mut svg, left + 36.0, at + 4.0, "start", &op.to_string());
    }
    svg + "</svg>\n"
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#222222\">{words}</text>"
    );
}

/// A circle, a square, a diamond or a triangle; full in the first four rows, hollow in the rest.
fn mark(svg: &mut String, (x, y): (f64, f64), row: usize) {
    let fill = if row < 4 { COLOURS[row] } else { "#ffffff" };
    let shape = match row % 4 {
        0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\""),
        1 => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"", x - 4.0, y - 4.0),
        2 => polygon(&[(x, y - 5.5), (x + 5.5, y), (x, y + 5.5), (x - 5.5, y)]),
        _ => polygon(&[(x, y - 5.0), (x + 5.0, y + 4.0), (x - 5.0, y + 4.0)]),
    };
    let _ = writeln!(svg, "{shape} fill=\"{fill}\" stroke=\"{}\" stroke-width=\"1.5\"/>", COLOURS[row]);
}

fn polygon(points: &[(f64, f64)]) -> String {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    format!("<polygon points=\"{}\"", points.join(" "))
}
