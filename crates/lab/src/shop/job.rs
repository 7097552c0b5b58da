//! The nightly report of the shop: adds up the orders, batch by batch, and writes the sums down.
//!
//! Whether it holds the write lock only while it writes a batch down, or from its first batch to its last, is a
//! setting. That it hangs is nothing it does by itself: a fault stops it from outside.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rusqlite::Connection;

use super::store;
use crate::process::{Arguments, DONE, Event, FAILED, Misuse, Orders, asked_to_end, say};

/// Its settings, without the `job.` before them.
pub(super) const SETTINGS: &[&str] = &["transaction", "run-time", "batches"];

/// It waits for the write lock as long as this, which no checkout needs.
const LOCK_WAIT: Duration = Duration::from_secs(10);

struct Report {
    file: PathBuf,
    whole_run: bool,
    batches: u32,
    /// Between two batches.
    pause: Duration,
    /// Says something when the job is asked to end.
    end: Receiver<()>,
}

/// The part `shop-job`.
pub(crate) fn main(arguments: &Arguments) -> Result<u8, Misuse> {
    let batches: u32 = arguments.get("batches")?;
    let (ask, end) = channel();
    let report = Report {
        file: arguments.path("file")?,
        whole_run: arguments.text("transaction")? == "whole-run",
        batches,
        pause: arguments.duration("run-time")? / batches.max(1),
        end,
    };
    let listening = std::thread::Builder::new().name("listening".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            asked_to_end(Orders::listen()?).await;
            Ok::<_, std::io::Error>(())
        })?;
        // The report is through already when nobody receives.
        ask.send(()).ok();
        Ok::<_, std::io::Error>(())
    });
    if let Err(error) = listening {
        say(&Event::Failed(error.to_string()));
        return Ok(FAILED);
    }
    Ok(match report.write() {
        Ok(said) => {
            say(&Event::Note(said.to_owned()));
            DONE
        }
        Err(error) => {
            say(&Event::Failed(error.to_string()));
            FAILED
        }
    })
}

impl Report {
    fn write(&self) -> rusqlite::Result<&'static str> {
        store::set_lock_wait(LOCK_WAIT);
        let mut shop = store::open(&self.file)?;
        let whole = if self.whole_run { self.in_one(&mut shop)? } else { self.batch_by_batch(&mut shop)? };
        Ok(if whole { "the report is written" } else { "the report was ended before it was whole" })
    }

    /// One transaction around everything; rolled back when it is ended early.
    fn in_one(&self, shop: &mut Connection) -> rusqlite::Result<bool> {
        let run = store::begin(shop)?;
        say(&Event::Begun);
        for number in 0..self.batches {
            store::write_down(&run, &store::add_up(&run, number, self.batches)?)?;
            if self.ends_during_pause() {
                run.rollback()?;
                return Ok(false);
            }
        }
        run.commit()?;
        Ok(true)
    }

    /// One short transaction for each batch: the sum is made before the lock is taken.
    fn batch_by_batch(&self, shop: &mut Connection) -> rusqlite::Result<bool> {
        say(&Event::Begun);
        for number in 0..self.batches {
            let batch = store::add_up(shop, number, self.batches)?;
            let writing = store::begin(shop)?;
            store::write_down(&writing, &batch)?;
            writing.commit()?;
            if self.ends_during_pause() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn ends_during_pause(&self) -> bool {
        // A listener that failed cannot ask any more; the job then runs on to its end.
        match self.end.recv_timeout(self.pause) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(self.pause);
                false
            }
        }
    }
}
