//! Blocks of memory to read into, used again and again: a fresh one for each read would cost more than the read.

use std::cell::RefCell;

use bytes::Bytes;

/// What one block holds, and one read takes at most.
pub(super) const SIZE: usize = 64 * 1024;

/// Blocks that a thread keeps for the next reads.
const KEPT: usize = 16;

thread_local! {
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A block, which goes back to be used again when the last who looks at it lets go.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Block {
    pub(super) fn take() -> Self {
        let spare = SPARE.with_borrow_mut(Vec::pop);
        Self { bytes: spare.unwrap_or_else(|| vec![0; SIZE].into_boxed_slice()), filled: 0 }
    }

    /// All of it, to be filled from the front.
    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The first `filled` bytes, without copying them unless that saves most of a block.
    pub(super) fn freeze(mut self, filled: usize) -> Bytes {
        self.filled = filled;
        if filled < SIZE / 2 { Bytes::copy_from_slice(self.as_ref()) } else { Bytes::from_owner(self) }
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        // A thread that is ending keeps nothing.
        let kept = SPARE.try_with(|spare| {
            if let Ok(mut spare) = spare.try_borrow_mut()
                && spare.len() < KEPT
            {
                spare.push(bytes);
            }
        });
        if kept.is_err() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_goes_round_and_little_is_copied_out_of_it() {
        let mut block = Block::take();
        block.space()[..3].copy_from_slice(b"abc");
        let at = block.space().as_ptr();
        let little = block.freeze(3);
        assert_eq!(&little[..], b"abc");
        let mut again = Block::take();
        assert_eq!(again.space().as_ptr(), at, "a copy does not hold the block");
        let much = again.freeze(SIZE);
        assert_eq!(much.as_ptr(), at, "most of a block is not copied");
        let tail = much.slice(SIZE - 1..);
        drop(much);
        assert_ne!(Block::take().space().as_ptr(), at, "somebody still looks at it");
        drop(tail);
        assert_eq!(Block::take().space().as_ptr(), at);
    }
}
