//! The hidden command `lab-process`: every process of a lab is the same binary in one of these parts.
//!
//! Owns finding the part and its arguments; leaves each part to its module. Nothing here is for people: the arguments
//! are not stable, and what a part has to say goes to its parent through pipes.

mod arguments;
mod channel;
mod launch;

use std::ffi::OsString;

pub(crate) use arguments::{Arguments, Misuse};
pub(crate) use channel::{Event, Order, Orders, asked_to_end, say};

/// Exit status of a part that did its work.
pub(crate) const DONE: u8 = 0;
/// Exit status of a part that failed; it has said why on its channel.
pub(crate) const FAILED: u8 = 1;
/// Exit status for arguments that make no sense.
const MISUSED: u8 = 2;

/// Plays one part. `args` are the arguments after `lab-process`; the result is the exit status of the process.
///
/// Must be called while the process has one thread: some parts change user or namespace.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    play(args).unwrap_or(MISUSED)
}

fn play(args: impl IntoIterator<Item = OsString>) -> Result<u8, Misuse> {
    let arguments = Arguments::read(args)?;
    match arguments.part() {
        "supervisor" => crate::supervisor::main(&arguments),
        "inside" => crate::supervisor::inside(&arguments),
        "launch" => launch::main(&arguments),
        "shop-front" => crate::shop::front::main(&arguments),
        "shop-job" => crate::shop::job::main(&arguments),
        "postgres-front" => crate::shop_postgres::front::main(&arguments),
        "postgres-job" => crate::shop_postgres::job::main(&arguments),
        "postgres-migrate" => crate::shop_postgres::migrate::main(&arguments),
        "answerer" => crate::shop_postgres::answerer::main(&arguments),
        _ => Err(Misuse),
    }
}

/// Plays a part that serves until it is asked to end, and says why if it could not.
pub(crate) fn serve(part: impl Future<Output = std::io::Result<()>>) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(part)) {
        Ok(()) => DONE,
        Err(error) => {
            say(&Event::Failed(error.to_string()));
            FAILED
        }
    }
}
