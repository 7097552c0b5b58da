//! One log, many callers: appends from anywhere, made durable together.
//!
//! Owns a thread that holds the [`Log`]. While one sync is under way, whatever is asked for meanwhile waits and shares the
//! next one, so that a hundred callers cost one sync and a lone caller waits for nobody.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use deadstick_core::event::{Event, Record, WriterId};

use crate::log::{Log, LogError, Timeline, writable};

/// At most this many events share one sync: a caller's wait stays short, and so does the buffer.
const GROUP: usize = 4096;

/// The answer to an append: the records as they stand in the log, or why there are none.
pub type Appended = Result<Vec<Record>, Arc<LogError>>;

type Answer = Box<dyn FnOnce(Appended) + Send>;

enum Job {
    Append(Vec<Event>, Answer),
    Refresh(Sender<Result<Timeline, LogError>>),
}

/// A handle to a log that another thread appends to. The thread ends, and lets go of the log, once the last handle is
/// dropped and what was asked for is done.
#[derive(Clone)]
pub struct Appender {
    jobs: Sender<Job>,
    writer: WriterId,
}

/// A promise that events will be durable. Letting it go does not take the events back.
#[must_use = "the events are durable only once the receipt says so"]
pub struct Receipt(Receiver<Appended>);

impl Receipt {
    /// Waits until the events survive a power cut.
    ///
    /// # Errors
    /// They are not in the log: the disk said no to this group, or the thread has ended.
    pub fn wait(self) -> Appended {
        self.0.recv().unwrap_or_else(|_| Err(Arc::new(LogError::Closed)))
    }
}

impl Appender {
    /// Moves a log into a thread of its own.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(log: Log) -> Result<Self, LogError> {
        let (jobs, inbox) = mpsc::channel();
        let writer = log.writer().to_owned();
        let dir = log.dir().to_owned();
        std::thread::Builder::new()
            .name("timeline".to_owned())
            .spawn(move || serve(log, &inbox))
            .map_err(crate::log::at(&dir, "start a thread for"))?;
        Ok(Self { jobs, writer })
    }

    /// The writer's name.
    #[must_use]
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// Asks for events to be appended, together and in this order. Does not block; the receipt does.
    pub fn append(&self, events: Vec<Event>) -> Receipt {
        let (answer, receipt) = mpsc::channel();
        self.append_then(events, move |appended| {
            // Nobody waits any more: the events are in the log all the same.
            answer.send(appended).unwrap_or_default();
        });
        Receipt(receipt)
    }

    /// The same, with a call back on the appending thread instead of a receipt: for callers that must not block. It
    /// should hand the answer on and return.
    pub fn append_then(&self, events: Vec<Event>, answer: impl FnOnce(Appended) + Send + 'static) {
        if let Err(mpsc::SendError(Job::Append(_, answer))) =
            self.jobs.send(Job::Append(events, Box::new(answer)))
        {
            answer(Err(Arc::new(LogError::Closed)));
        }
    }

    /// What other writers added since the last call, as [`Log::refresh`]. Blocks until the thread has looked.
    ///
    /// # Errors
    /// As [`Log::refresh`]; or the thread has ended.
    pub fn refresh(&self) -> Result<Timeline, LogError> {
        let (answer, wait) = mpsc::channel();
        self.jobs.send(Job::Refresh(answer)).map_err(|_| LogError::Closed)?;
        wait.recv().unwrap_or(Err(LogError::Closed))
    }
}

fn serve(mut log: Log, inbox: &Receiver<Job>) {
    let mut events: Vec<Vec<Event>> = Vec::new();
    let mut answers: Vec<Answer> = Vec::new();
    while let Ok(job) = inbox.recv() {
        let mut next = Some(job);
        let mut count = 0;
        let mut refreshes = Vec::new();
        while let Some(job) = next {
            match job {
                // Checked one by one, so that nobody fails for another's event.
                Job::Append(group, answer) => {
                    if let Err(error) = writable(&group) {
                        answer(Err(Arc::new(error)));
                    } else {
                        count += group.len();
                        events.push(group);
                        answers.push(answer);
                    }
                }
                Job::Refresh(answer) => refreshes.push(answer),
            }
            next = if count < GROUP { inbox.try_recv().ok() } else { None };
        }
        let groups: Vec<&[Event]> = events.iter().map(Vec::as_slice).collect();
        match log.append_groups(&groups) {
            Ok(records) => {
                for (answer, records) in answers.drain(..).zip(records) {
                    answer(Ok(records));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for answer in answers.drain(..) {
                    answer(Err(Arc::clone(&error)));
                }
            }
        }
        events.clear();
        for answer in refreshes {
            answer.send(log.refresh()).unwrap_or_default();
        }
    }
}
