//! What makes ids unlike any other and salts impossible to guess: the kernel's random numbers, drawn once per group.

use deadstick_core::Timestamp;

/// The random part of one line.
#[derive(Default)]
pub(super) struct Random {
    id: [u8; 10],
    pub(super) salt: [u8; 16],
}

impl Random {
    pub(super) const LEN: usize = 26;

    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut random = Self::default();
        random.id.copy_from_slice(&bytes[..10]);
        random.salt.copy_from_slice(&bytes[10..Self::LEN]);
        random
    }

    pub(super) fn id(&self, time: Timestamp) -> uuid::Uuid {
        uuid::Builder::from_unix_timestamp_millis(super::millis(time), &self.id).into_uuid()
    }
}

pub(super) fn fill_random(mut bytes: &mut [u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let n = rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty())?;
        bytes = &mut bytes[n..];
    }
    Ok(())
}
