//! Netlink messages as bytes: a builder for requests, a reader for replies.
//!
//! Owns the framing that nftables, traffic control and socket diagnostics share. One builder for the three families was
//! chosen over four packet crates: a dozen messages are needed, and these constants are kernel ABI, which never changes.

/// The message asks for something.
pub(crate) const REQUEST: u16 = 0x1;
/// An acknowledgement is wanted.
pub(crate) const ACK: u16 = 0x4;
/// All objects are wanted.
pub(crate) const DUMP: u16 = 0x300;
/// The object is to be made, and must not be there yet.
pub(crate) const CREATE: u16 = 0x400 | 0x200;
/// The object is to be put at the end.
pub(crate) const APPEND: u16 = 0x400 | 0x800;
/// The attribute holds attributes.
pub(crate) const NESTED: u16 = 0x8000;
/// Bytes of `nlmsghdr`.
pub(crate) const HEADER: usize = 16;

/// One message under construction.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A message of this type; `body` is the fixed structure between header and attributes.
    pub(crate) fn new(kind: u16, flags: u16, body: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(body);
        pad(&mut bytes);
        Self { bytes }
    }

    /// An attribute with these bytes.
    pub(crate) fn attr(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        // No attribute made here comes near 64 KiB; lists that could grow are cut into several messages.
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        pad(&mut self.bytes);
        self
    }

    /// A text with its closing NUL.
    pub(crate) fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.attr(kind, &value)
    }

    /// A number in network order, as nftables wants its numbers.
    pub(crate) fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attr(kind, &value.to_be_bytes())
    }

    /// A number in network order.
    pub(crate) fn be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.attr(kind, &value.to_be_bytes())
    }

    /// An attribute that holds attributes.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend((kind | NESTED).to_ne_bytes());
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// Asks for an acknowledgement.
    pub(crate) fn want_answer(&mut self) {
        let flags = u16_at(&self.bytes, 6).unwrap_or(0) | ACK;
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
    }

    /// The bytes, with length and sequence number filled in.
    pub(crate) fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// One message of a reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply<'a> {
    /// Its type.
    pub(crate) kind: u16,
    /// Its flags.
    pub(crate) flags: u16,
    /// What follows the header.
    pub(crate) body: &'a [u8],
}

/// The messages in what one read gave.
pub(crate) fn replies(mut bytes: &[u8]) -> impl Iterator<Item = Reply<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let body = bytes.get(HEADER..length)?;
        let reply = Reply { kind: u16_at(bytes, 4)?, flags: u16_at(bytes, 6)?, body };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(reply)
    })
}

/// The attributes in these bytes: type without flags, value.
pub(crate) fn attrs(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// The value of the first attribute of this type.
pub(crate) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attrs(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// A text attribute without its NUL.
pub(crate) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or(&[])).into_owned()
}

/// A 16-bit number in host order.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

/// A 32-bit number in host order.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_built_is_read_back() {
        let mut message = Message::new(0x0a00, REQUEST | ACK, &[1, 0, 0, 0]);
        message.text(1, "ab").nest(2, |inner| {
            inner.be32(3, 7).be64(4, 9);
        });
        let bytes = message.finish(5);
        let reply = replies(&bytes).next().expect("one message");
        assert_eq!((reply.kind, reply.flags), (0x0a00, 5));
        let attributes = &reply.body[4..];
        assert_eq!(find(attributes, 1).map(text), Some("ab".to_owned()));
        let inner = find(attributes, 2).expect("nested");
        assert_eq!(find(inner, 3), Some(&7_u32.to_be_bytes()[..]));
        assert_eq!(find(inner, 4), Some(&9_u64.to_be_bytes()[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for reply in replies(&bytes) {
                prop_assert!(attrs(reply.body).count() <= bytes.len());
            }
        }
    }
}
