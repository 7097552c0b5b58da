//! Measures durable appends against plain `write` and `fdatasync` of the same bytes, turn by turn, so that a busy disk
//! hurts both alike: `paired DIR [ROUNDS]` prints medians and their ratio for several groupings.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use deadstick_core::event::{Actor, Body, Event};
use deadstick_timeline::{Appender, Log};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).ok_or("usage: paired DIR [ROUNDS]")?;
    let dir = Path::new(&dir);
    let rounds: usize = std::env::args().nth(2).map_or(Ok(400), |n| n.parse())?;
    let now = chrono::DateTime::from_timestamp(1_763_700_000, 0).ok_or("a time")?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{:>6} {:>14} {:>14} {:>14} {:>6} {:>6}",
        "group", "raw", "log", "appender", "log", "appender"
    )?;
    for group in [1_usize, 8, 64, 512] {
        let text = "request 4711 of the nightly report answered 503 after 2 s".to_owned();
        let event = Event::now(now, Actor::person("alice"), Body::Note { text });
        let events = vec![event; group];
        let mut log = Log::create(&dir.join(format!("log-{group}")), "bench", now)?;
        let appender = Appender::start(Log::create(&dir.join(format!("appender-{group}")), "bench", now)?)?;
        let first = log.append(&events)?;
        let written = std::fs::read(log.dir().join(format!("{}.1.jsonl", first[0].writer)))?;
        let header = written.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
        let lines = &written[header..];
        let mut raw = File::create(dir.join(format!("raw-{group}")))?;

        let mut under_way = appender.append(events.clone());
        let mut took: [Vec<Duration>; 3] = Default::default();
        for _ in 0..rounds {
            let begin = Instant::now();
            raw.write_all(lines).and_then(|()| raw.sync_data())?;
            took[0].push(begin.elapsed());

            let begin = Instant::now();
            log.append(&events)?;
            took[1].push(begin.elapsed());

            let next = events.clone();
            let begin = Instant::now();
            let next = appender.append(next);
            std::mem::replace(&mut under_way, next).wait()?;
            // The one just asked for has the disk to itself before the next turn of the others.
            under_way.wait()?;
            took[2].push(begin.elapsed());
            under_way = appender.append(Vec::new());
        }
        let [raw, log, appender] = took.map(|mut times| {
            times.sort();
            times[times.len() / 2].as_secs_f64() * 1e6
        });
        writeln!(
            out,
            "{group:>6} {raw:>11.1} µs {log:>11.1} µs {appender:>11.1} µs {:>6.2} {:>6.2}",
            raw / log,
            raw / appender
        )?;
    }
    Ok(())
}
