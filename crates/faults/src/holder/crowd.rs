//! Holding the places of a PostgreSQL server.

use std::time::Duration;

use futures_util::future::join_all;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_postgres::Client;

use super::{Order, Said, go, left, say};
use crate::database::postgres::{self as database, Address, DatabaseError, Places, limited};

/// How often places that others left are looked for.
const AGAIN: Duration = Duration::from_millis(250);
/// How long a server may keep sessions waiting.
const FILLING: Duration = Duration::from_secs(30);
/// How long sessions that have ended may keep their places.
const LEAVING: Duration = Duration::from_secs(3);
/// How many sessions are opened at the same time: proving a password keeps both sides busy for a while.
const AT_ONCE: usize = 4;
/// How many of our sockets are for other things.
const OTHER_FILES: u64 = 32;

pub(super) async fn hold(
    order: &Order,
    mut address: Address,
    leave: u32,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    let text = |error: DatabaseError| error.to_string();
    address.config.application_name(&order.application);
    let counter = database::connect(&address).await.map_err(text)?;
    let version = database::version(&counter).await.map_err(text)?;
    settle(&counter, order, version).await.map_err(text)?;
    let places = enough(&counter, leave).await?;
    may_open(u64::try_from(places.all).unwrap_or(0) + OTHER_FILES)?;
    if !go(None, inbox).await? {
        return Ok(());
    }
    let mut crowd = Crowd { order, address, version, leave, counter, sessions: Vec::new() };
    tokio::select! {
        filled = crowd.fill() => filled.map_err(text)?,
        // No line but the end of input can come now.
        _ = inbox.recv() => return Ok(()),
    }
    say(&Said::Held).map_err(|error| error.to_string())?;
    loop {
        tokio::select! {
            _ = inbox.recv() => return Ok(()),
            () = tokio::time::sleep(AGAIN) => crowd.fill().await.map_err(text)?,
        }
    }
}

/// The server's places, if there are any to take. Sessions that have just ended have theirs for a moment longer.
async fn enough(counter: &Client, leave: u32) -> Result<Places, String> {
    let deadline = Instant::now() + LEAVING;
    loop {
        let places = database::places(counter).await.map_err(|error| error.to_string())?;
        let free = places.free();
        if free >= i64::from(leave) {
            return Ok(places);
        }
        if Instant::now() >= deadline {
            return Err(format!(
                "{free} places are free, so that none is to be taken for {leave} to be left; leave fewer"
            ));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

struct Crowd<'a> {
    order: &'a Order,
    address: Address,
    version: i32,
    leave: u32,
    /// The one that counts the places, and has one of them.
    counter: Client,
    sessions: Vec<Client>,
}

impl Crowd<'_> {
    /// Fills the server, also one that is so busy with that that it keeps a session waiting.
    async fn fill(&mut self) -> Result<(), DatabaseError> {
        let deadline = Instant::now() + FILLING;
        loop {
            match self.try_fill().await {
                Err(DatabaseError::Silent) if Instant::now() < deadline => {}
                other => return other,
            }
        }
    }

    /// Opens sessions until no more places are free than shall be.
    async fn try_fill(&mut self) -> Result<(), DatabaseError> {
        loop {
            self.sessions.retain(|session| !session.is_closed());
            if self.counter.is_closed()
                && let Some(other) = self.sessions.pop()
            {
                self.counter = other;
            }
            let wanted = database::places(&self.counter).await?.free() - i64::from(self.leave);
            let count = usize::try_from(wanted).unwrap_or(0).min(AT_ONCE);
            if count == 0 {
                return Ok(());
            }
            let opened = join_all((0..count).map(|_| self.open())).await;
            let (sessions, refused): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
            self.sessions.extend(sessions.into_iter().flatten());
            match refused.into_iter().find_map(Result::err) {
                None => {}
                // Somebody else was faster, or has a place without being seen yet.
                Some(error) if error.is_full() => return Ok(()),
                Some(error) => return Err(error),
            }
        }
    }

    async fn open(&self) -> Result<Client, DatabaseError> {
        let client = database::connect(&self.address).await?;
        settle(&client, self.order, self.version).await?;
        Ok(client)
    }
}

/// The server's own time limit. Before 14 only a session in a transaction has one; the transaction has done nothing and
/// holds nothing.
async fn settle(client: &Client, order: &Order, version: i32) -> Result<(), DatabaseError> {
    database::limit(client, left(order), database::PATIENCE).await?;
    if version < 140_000 {
        limited(client.batch_execute("begin")).await?;
    }
    Ok(())
}

/// Each session is a file of this process.
fn may_open(files: u64) -> Result<(), String> {
    let told = |errno: nix::Error| format!("the limit of open files: {errno}");
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(told)?;
    if hard < files {
        return Err(format!("{files} files would have to be open, and the hard limit is {hard}"));
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(files), hard).map_err(told)
}
