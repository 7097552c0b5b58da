//! What a link does between two waits: moves bytes from socket to socket, or through the chain, and follows the toxics.

use std::io;

use super::{Link, Wants, way};
use crate::chain::Chain;
use crate::clock::now;
use crate::stage::{Chunk, Ending, Item, Step};

/// Reads, writes and steps after which other tasks get their turn.
const TURN: usize = 64;

/// What came of an attempt on a socket.
#[derive(PartialEq, Eq)]
enum Moved {
    Some,
    WouldBlock,
}

impl Link {
    /// Moves what can be moved without waiting, until the direction has come to its end.
    pub(super) fn advance(&mut self) -> Result<Wants, Ending> {
        for _ in 0..TURN {
            self.follow();
            let mut wants = Wants::default();
            if self.write()? == Moved::WouldBlock {
                wants.write = true;
                // A chain goes on taking data while the receiver is slow, as far as it has room.
                if self.chain.is_some() && self.may_read() {
                    match self.read()? {
                        Moved::Some => continue,
                        Moved::WouldBlock => wants.read = true,
                    }
                }
                return Ok(wants);
            }
            if let Some(chain) = &mut self.chain {
                match chain.step(now()) {
                    Step::Send(Item::Data(chunk)) => {
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
            if self.may_read() {
                match self.read()? {
                    Moved::Some => continue,
                    Moved::WouldBlock => wants.read = true,
                }
            }
            return Ok(wants);
        }
        Ok(Wants { turn_is_over: true, ..Wants::default() })
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
            Ok(()) => Ok(Moved::Some),
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
            Ok(_) => Ok(Moved::Some),
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
                Ok(Moved::Some)
            }
            None => Err(ending),
        }
    }
}

/// Whether the same attempt may succeed when the socket is ready again.
fn not_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
