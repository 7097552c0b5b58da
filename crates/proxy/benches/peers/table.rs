//! The printed tables.

use super::measure::{Accuracy, Row};

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One line per measurement, one column per way: the median, and the median ratio to direct with its range.
pub(crate) fn print_comparison(rows: &[Row]) {
    let names: Vec<&str> = rows[0].ways.iter().map(|(name, _)| name.as_str()).collect();
    println!("| measured | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    for row in rows {
        let direct = &row.ways[0].1;
        let cells: Vec<String> = row
            .ways
            .iter()
            .enumerate()
            .map(|(index, (_, values))| {
                let middle = median(values.iter().copied());
                if index == 0 {
                    return format!("{middle:.1} {}", row.unit);
                }
                let ratios = || values.iter().zip(direct).map(|(value, direct)| value / direct);
                let (low, high) = ratios()
                    .fold((f64::MAX, f64::MIN), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
                format!("{middle:.1} {}, ×{:.2} ({low:.2}–{high:.2})", row.unit, median(ratios()))
            })
            .collect();
        println!("| {} | {} |", row.what, cells.join(" | "));
    }
    println!();
}

/// Memory of idle connections.
pub(crate) fn print_idle(results: &[(String, f64, f64, usize)]) {
    println!("| idle connections | before | with them | each |\n|---|---|---|---|");
    for (name, before, with, count) in results {
        let each = (with - before) * 1e3 / (*count as f64);
        println!("| {name}, {count} | {before:.1} MB | {with:.1} MB | {each:.2} kB |");
    }
    println!();
}

/// Accuracy of toxics.
pub(crate) fn print_accuracy(lines: &[Accuracy]) {
    println!("| toxic | measured |\n|---|---|");
    for line in lines {
        println!("| {} | {} |", line.set, line.got);
    }
}
