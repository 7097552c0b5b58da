//! Appends numbered notes until it is killed, and says each number only once it is acknowledged.
//!
//! `append DIR [CALLERS]`: the tests' victim. With several callers they share one appender.

use std::io::Write;

use deadstick_core::event::{Actor, Body, Event};
use deadstick_timeline::{Appender, Log};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args_os().skip(1);
    let dir = args.next().ok_or("usage: append DIR [CALLERS]")?;
    let callers: u32 = args.next().map_or(Ok(1), |n| n.to_string_lossy().parse())?;
    let log = match Log::open(dir.as_ref(), "victim", now()) {
        Ok((log, _)) => log,
        Err(deadstick_timeline::LogError::NotALog(_)) => Log::create(dir.as_ref(), "victim", now())?,
        Err(e) => return Err(e.into()),
    };
    let appender = Appender::start(log)?;
    let threads: Vec<_> = (0..callers)
        .map(|caller| {
            let appender = appender.clone();
            std::thread::spawn(move || -> Result<(), Failure> {
                for number in 0_u64.. {
                    let text = format!("{caller}/{number}");
                    let event = Event::now(now(), Actor::person("victim"), Body::Note { text: text.clone() });
                    appender.append(vec![event]).wait()?;
                    writeln!(std::io::stdout(), "{} {text}", appender.writer())?;
                }
                Ok(())
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a caller panicked")??;
    }
    Ok(())
}

fn now() -> deadstick_core::Timestamp {
    std::time::SystemTime::now().into()
}
