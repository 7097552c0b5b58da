//! Headers of packets: what stands where, and the numbers of protocols.

/// The header of the internet protocol, as rules name it.
pub(super) const NETWORK: u32 = 1;
/// The header behind it.
pub(super) const TRANSPORT: u32 = 2;

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMP_6: u8 = 58;

/// Where the header of one version has its addresses; lengths and offsets in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// How long an address is.
    pub(super) address: u32,
    /// Where the sender's is.
    pub(super) source: u32,
    /// Where the receiver's is.
    pub(super) destination: u32,
    /// How long the header is without options.
    pub(super) whole: u32,
}

impl Layout {
    pub(super) const fn of(version: u8) -> Self {
        if version == 4 {
            Self { address: 4, source: 12, destination: 16, whole: 20 }
        } else {
            Self { address: 16, source: 8, destination: 24, whole: 40 }
        }
    }
}

/// A frame's word for the version.
pub(super) const fn frame_word(version: u8) -> [u8; 2] {
    if version == 4 { [0x08, 0x00] } else { [0x86, 0xdd] }
}
