//! Measures the log at size: `million DIR [EVENTS]` appends that many events in groups, opens and replays them, verifies
//! and exports them, and prints seconds of wall and processor. DIR must not exist; it is left for a look.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use deadstick_core::event::{Actor, Body, Event};
use deadstick_timeline::export::{CsvMode, Detail, csv, jsonl, markdown};
use deadstick_timeline::{Appender, Log, verify};

const GROUP: u64 = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).ok_or("usage: million DIR [EVENTS]")?;
    let dir = Path::new(&dir);
    let count: u64 = std::env::args().nth(2).map_or(Ok(1_000_000), |n| n.parse())?;
    let mut out = std::io::stdout();
    let (mut clock, mut spent) = (Instant::now(), cpu());
    let mut lap = |what: &str| {
        let took = clock.elapsed().as_secs_f64();
        let outcome = writeln!(out, "{what:<28} {took:>7.3} s, {:>7.3} s of processor", cpu() - spent);
        (clock, spent) = (Instant::now(), cpu());
        outcome
    };

    let start = chrono::DateTime::from_timestamp(1_763_700_000, 0).ok_or("a time")?;
    let appender = Appender::start(Log::create(dir, "bench", start)?)?;
    let mut receipts = std::collections::VecDeque::new();
    for group in 0..count / GROUP {
        let events = (0..GROUP).map(|i| {
            let now = start + chrono::TimeDelta::milliseconds(i64::try_from(group * GROUP + i).unwrap_or(0));
            Event::now(now, Actor::person("alice"), body(group * GROUP + i))
        });
        receipts.push_back(appender.append(events.collect()));
        if receipts.len() > 4 {
            receipts.pop_front().map(deadstick_timeline::Receipt::wait).transpose()?;
        }
    }
    for receipt in receipts {
        receipt.wait()?;
    }
    lap("append, durable by 1,000")?;
    let (_, timeline) = Log::open(dir, "reader", start)?;
    lap("open and replay")?;
    if timeline.records.len() as u64 != count / GROUP * GROUP {
        return Err("records are missing".into());
    }
    let report = verify(dir)?;
    lap("verify")?;
    if !report.is_sound() {
        return Err("the log is not sound".into());
    }
    jsonl(dir, std::io::BufWriter::new(std::fs::File::create(dir.join("export.lines"))?))?;
    lap("export JSON Lines")?;
    csv(&timeline.records, CsvMode::Spreadsheet, std::fs::File::create(dir.join("export.csv"))?)?;
    lap("export CSV")?;
    let page = std::io::BufWriter::new(std::fs::File::create(dir.join("export.md"))?);
    markdown(&timeline.records, Detail::Full, page)?;
    lap("export Markdown")?;
    Ok(())
}

/// Processor time of this process, all threads: what a busy machine does not distort as much.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    std::time::Duration::try_from(time).unwrap_or_default().as_secs_f64()
}

/// Acts as they come: mostly notes and probe changes.
fn body(number: u64) -> Body {
    match number % 3 {
        0 => Body::Note { text: format!("request {number} answered 503 after 2 s") },
        1 => Body::ProbeChanged {
            probe: "checkout".to_owned(),
            from: None,
            to: deadstick_core::probe::Answer::Unsatisfied,
            detail: format!("success {}%", number % 100),
        },
        _ => Body::FaultApplied { id: format!("fault-{number}") },
    }
}
