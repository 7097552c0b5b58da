//! One direction of one connection: drives a chain with real sockets and real time, in one task.
//!
//! Without an active toxic bytes go straight through a [`Flow`]. With one, they go through the [`Chain`]. No lock is held while
//! data moves; the control plane is never waited for and never waits for a link. A link is a future written by hand, since
//! thousands of them are idle at a time: it is hardly larger than what it holds, and wakes by one waker.

mod advance;
mod block;
mod flow;

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::net::Shutdown;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

pub(crate) use self::flow::discard;
use self::flow::{Flow, Way};
use crate::chain::{Chain, Side};
use crate::clock::{Alarm, Time};
use crate::connection::Setting;
use crate::control::{Control, Fate};
use crate::dice::Dice;
use crate::stage::Ending;
use crate::toxic::Stream;

/// The two sockets of a connection.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
}

/// One direction of a connection. As a future it relays until the direction has ended, and says how, or the connection's fate is
/// decided.
pub(crate) struct Link {
    pair: Arc<Pair>,
    control: Arc<Control>,
    setting: Arc<Setting>,
    side: Side,
    /// The version of the toxics that `chain` follows.
    seen: Option<u64>,
    /// The toxics that hit this link; none: bytes go straight through.
    chain: Option<Box<Chain>>,
    /// Whether the sender has ended.
    ended: bool,
    /// Whether it ended by an error.
    broken: bool,
    flow: Flow,
    alarm: Alarm,
    watch: Option<Watch>,
}

/// Ready when a socket that nobody reads has failed.
type Watch = Pin<Box<dyn Future<Output = io::Result<Ready>> + Send>>;

/// What a link waits for.
#[derive(Debug, Default)]
struct Wants {
    read: bool,
    write: bool,
    wake: Option<Time>,
    turn_is_over: bool,
}

impl Future for Link {
    type Output = Option<Ending>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Ending>> {
        let link = &mut *self;
        link.control.listen(link.side.stream, context.waker());
        link.alarm.notice();
        while link.control.fate() == Fate::Open {
            let wants = match link.advance() {
                Ok(wants) => wants,
                Err(ending) => return Poll::Ready(Some(ending)),
            };
            if wants.turn_is_over {
                // Once is enough: it has the task woken after all others have had their turn.
                return pin!(tokio::task::yield_now()).poll(context).map(|()| None);
            }
            if link.wait(context, &wants).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(None)
    }
}

impl Link {
    pub(crate) fn new(
        stream: Stream,
        pair: Arc<Pair>,
        control: Arc<Control>,
        setting: Arc<Setting>,
        connection: &Dice,
    ) -> Self {
        let alarm = Alarm::new(setting.precise);
        Self {
            pair,
            control,
            setting,
            side: Side { connection: connection.clone(), stream },
            seen: None,
            chain: None,
            ended: false,
            broken: false,
            // Most clients speak first, and while their upstream is dialled. Servers do not, in no time.
            flow: if stream == Stream::Upstream { Flow::eager() } else { Flow::default() },
            alarm,
            watch: None,
        }
    }

    /// Relays to the end and passes that on.
    pub(crate) async fn run(&mut self) {
        if let Some(ending) = (&mut *self).await {
            let setting = Arc::clone(&self.setting);
            setting.closing.take_turn(|| self.end(ending)).await;
        }
    }

    /// Passes the end of the stream on.
    fn end(&mut self, ending: Ending) {
        let fate = match ending {
            // Closing both sockets says the rest.
            Ending::Half if self.control.ended(self.side.stream) => return,
            Ending::Half => {
                let target = way(&self.pair, &self.setting, self.side.stream).target;
                match rustix::net::shutdown(target, Shutdown::Write) {
                    Ok(()) => return,
                    Err(_receiver_gone) => Fate::Broken,
                }
            }
            Ending::Close if self.broken => Fate::Broken,
            Ending::Close => Fate::Close,
            Ending::Reset => Fate::Reset,
        };
        self.control.end(fate);
    }

    fn silent(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.is_silent())
    }

    /// Ready if any of what is wanted is there; else the task is woken when it is.
    fn wait(&mut self, context: &mut Context<'_>, wants: &Wants) -> Poll<()> {
        let way = way(&self.pair, &self.setting, self.side.stream);
        let mut ready = Poll::Pending;
        let mut note = |outcome: Poll<io::Result<()>>, control: &Control| {
            if let Poll::Ready(outcome) = outcome {
                ready = Poll::Ready(());
                if outcome.is_err() {
                    // The runtime is shutting down: no socket will ever be ready.
                    control.end(Fate::Close);
                }
            }
        };
        if wants.read {
            note(way.source.poll_read_ready(context), &self.control);
        }
        if wants.write {
            note(way.target.poll_write_ready(context), &self.control);
        }
        if let Some(at) = wants.wake {
            note(self.alarm.poll_until(context, at).map(Ok), &self.control);
        }
        // While a toxic holds everything, a reset by the sender would go unnoticed and its connection would never end.
        let stuck = !wants.read && !wants.write && wants.wake.is_none();
        if !stuck || self.ended || self.silent() {
            self.watch = None;
            return ready;
        }
        let (pair, stream) = (&self.pair, self.side.stream);
        let watch = self.watch.get_or_insert_with(|| {
            let pair = Arc::clone(pair);
            Box::pin(async move {
                match stream {
                    Stream::Upstream => pair.client.ready(Interest::ERROR).await,
                    Stream::Downstream => pair.server.ready(Interest::ERROR).await,
                }
            })
        });
        if watch.as_mut().poll(context).is_ready() {
            self.watch = None;
            self.control.end(Fate::Broken);
            return Poll::Ready(());
        }
        ready
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A defect of one stage must not leave half a connection behind.
        if std::thread::panicking() {
            self.control.end(Fate::Close);
        }
    }
}

fn way<'a>(pair: &'a Pair, setting: &'a Setting, stream: Stream) -> Way<'a> {
    let (source, target) = match stream {
        Stream::Upstream => (&pair.client, &pair.server),
        Stream::Downstream => (&pair.server, &pair.client),
    };
    Way { source, target, counter: &setting.traffic.0[stream as usize] }
}
