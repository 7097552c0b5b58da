//! What a link does between two waits: moves bytes from socket to socket, or through the chain, and follows the toxics.

use std::io;

use super::{Link, Wants, way};
use crate::chain::Chain;
use crate::clock::now;
use crate::stage::{Chunk, Ending, Item, Step};

/// Work after which other tasks get their turn: a read, a write or a step, or so many bytes.
const TURN: usize = 64;

/// Bytes that are as much work as one more step: with these a turn moves no more than a full pipe, in a fraction of a millisecond.
const BYTES: usize = 16 * 1024;

/// What came of an attempt on a socket.
#[derive(PartialEq, Eq)]
enum Moved {
    Some(usize),
    WouldBlock,
}

impl Link {
    /// Moves what can be moved without waiting, until the direction has come to its end.
    pub(super) fn advance(&mut self) -> Result<Wants, Ending> {
        let mut work = 0;
        while work < TURN {
            work += 1;
            self.follow();
            let mut wants = Wants::default();
            if self.write()? == Moved::WouldBlock {
                wants.write = true;
                // A chain goes on taking data while the receiver is slow, as far as it has room.
                if self.chain.is_some()
                    && let Some(bytes) = self.read_on(&mut wants)?
                {
                    work += bytes / BYTES;
                    continue;
                }
                return Ok(wants);
            }
            if let Some(chain) = &mut self.chain {
                match chain.step(now()) {
                    Step::Send(Item::Data(chunk)) => {
                        work += chunk.data.len() / BYTES;
                        self.flow.take(chunk.data);
                        continue;
                    }
                    Step::Send(Item::End(ending)) => return Err(ending),
                    Step::WaitUntil(at) => wants.wake = Some(at),
                    Step::Idle if chain.is_idle() => {
                        self.chain = None;
                        continue;
                    }
                    // Neither time nor input will get anything out any more, and nobody is left to wait for.
                    Step::Idle if self.broken && !chain.is_silent() => {
                        return Err(Ending::Close);
                    }
                    Step::Idle => {}
                }
            }
            let Some(bytes) = self.read_on(&mut wants)? else { return Ok(wants) };
            work += bytes / BYTES;
        }
        Ok(Wants { turn_is_over: true, ..Wants::default() })
    }

    /// Reads where there is room; none when nothing is there yet, or no room.
    fn read_on(&mut self, wants: &mut Wants) -> Result<Option<usize>, Ending> {
        if !self.may_read() {
            return Ok(None);
        }
        match self.read()? {
            Moved::Some(bytes) => Ok(Some(bytes)),
            Moved::WouldBlock => {
                wants.read = true;
                Ok(None)
            }
        }
    }

    /// Takes up a change of the toxics.
    fn follow(&mut self) {
        let toxics = &self.setting.toxics;
        if self.seen == Some(toxics.version()) {
            return;
        }
        let (version, specs) = toxics.specs(self.side.stream);
        self.seen = Some(version);
        if self.chain.is_none() && Chain::wanted(&specs, &self.side) {
            self.chain = Some(Box::new(Chain::new(self.side.clone())));
        }
        if let Some(chain) = &mut self.chain {
            chain.follow(&specs, &self.control.exchange, now());
        }
    }

    fn may_read(&self) -> bool {
        !self.ended && self.chain.as_ref().is_none_or(|chain| chain.ready())
    }

    fn write(&mut self) -> Result<Moved, Ending> {
        let flow = &mut self.flow;
        match flow.write(way(&self.pair, &self.setting, self.side.stream)) {
            Ok(()) => Ok(Moved::Some(0)),
            Err(error) if not_now(&error) => Ok(Moved::WouldBlock),
            Err(_receiver_gone) => {
                self.broken = true;
                Err(Ending::Close)
            }
        }
    }

    /// Takes what the sender has: into the chain, or straight on its way.
    fn read(&mut self) -> Result<Moved, Ending> {
        let way = way(&self.pair, &self.setting, self.side.stream);
        let taken = match &mut self.chain {
            None => self.flow.relay(way),
            Some(chain) => self.flow.read(way).map(|data| {
                let (taken, at) = (data.len(), now());
                if taken > 0 {
                    chain.offer(Item::Data(Chunk { data, at }), at);
                }
                taken
            }),
        };
        match taken {
            Ok(0) => self.sender_ended(Ending::Half),
            Ok(bytes) => Ok(Moved::Some(bytes)),
            Err(error) if not_now(&error) => Ok(Moved::WouldBlock),
            // What came before still goes out; then the connection is over, in order: an RST is passed on by nobody but a toxic.
            Err(_sender_gone) => {
                self.broken = true;
                self.sender_ended(Ending::Close)
            }
        }
    }

    fn sender_ended(&mut self, ending: Ending) -> Result<Moved, Ending> {
        self.ended = true;
        match &mut self.chain {
            Some(chain) => {
                chain.offer(Item::End(ending), now());
                Ok(Moved::Some(0))
            }
            None => Err(ending),
        }
    }
}

/// Whether the same attempt may succeed when the socket is ready again.
fn not_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::task::{Context, Waker};
    use std::thread;

    use super::*;
    use crate::connect::Dialer;
    use crate::connection::Setting;
    use crate::dice::Dice;
    use crate::link::Pair;
    use crate::toxic::Stream;

    fn pair() -> (TcpStream, tokio::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let peer = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (socket, _) = listener.accept().expect("a client");
        socket.set_nonblocking(true).expect("a socket");
        (peer, tokio::net::TcpStream::from_std(socket).expect("a runtime"))
    }

    #[tokio::test]
    async fn a_turn_is_over_after_so_many_bytes_however_fast_they_come_and_go() {
        let ((mut sender, client), (mut receiver, server)) = (pair(), pair());
        let writing = thread::spawn(move || {
            let data = vec![1; 1 << 20];
            while sender.write_all(&data).is_ok() {}
        });
        let reading = thread::spawn(move || {
            let mut data = vec![0; 1 << 20];
            while receiver.read(&mut data).is_ok_and(|read| read > 0) {}
        });
        let setting = Arc::new(Setting {
            upstream: String::new(),
            connect: Arc::new(Dialer::default()),
            toxics: Arc::default(),
            traffic: Arc::default(),
            proxy: String::new(),
            closing: Arc::default(),
            precise: false,
        });
        let traffic = Arc::clone(&setting.traffic);
        let moved = || traffic.0[Stream::Upstream as usize].received.load(Ordering::Relaxed);
        let pair = Arc::new(Pair { client, server });
        let mut link = Link::new(Stream::Upstream, pair, Arc::default(), setting, &Dice::new(1));
        let mut turns = 0;
        while turns < 50 {
            let before = moved();
            let wants = link.advance().unwrap_or_else(|ending| panic!("{ending:?}"));
            assert!(moved() - before <= 2 << 20, "{} bytes in one turn", moved() - before);
            if wants.turn_is_over {
                turns += 1;
            }
            let mut context = Context::from_waker(Waker::noop());
            while !wants.turn_is_over && link.wait(&mut context, &wants).is_pending() {
                tokio::task::yield_now().await;
            }
            tokio::task::yield_now().await;
        }
        drop(link);
        writing.join().expect("it ends with the socket");
        reading.join().expect("it ends with the socket");
    }
}
