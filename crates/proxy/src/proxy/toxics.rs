//! The toxics of a proxy: every change is met by the next byte read on any connection.

use super::Proxy;
use crate::toxic::{Toxic, ToxicError};

impl Proxy {
    /// The toxics, upstream first, each stream in order.
    pub fn toxics(&self) -> Vec<Toxic> {
        self.toxics.all()
    }

    /// The toxic of that name.
    pub fn toxic(&self, name: &str) -> Option<Toxic> {
        self.toxics.get(name)
    }

    /// On how many streams of connections (`http`: replies that match, `websocket`: sockets) the toxic of that name has begun
    /// to act: zero says that it has had no effect yet. A `noop` never acts.
    pub fn hits(&self, name: &str) -> Option<u64> {
        self.toxics.hits(name)
    }

    /// Adds a toxic behind those of its stream. The next byte read on any connection meets it.
    ///
    /// # Errors
    ///
    /// The name is taken.
    pub fn add_toxic(&self, toxic: Toxic) -> Result<(), ToxicError> {
        self.toxics.add(toxic)?;
        self.connections.tap();
        Ok(())
    }

    /// Changes what a toxic does and whom it hits, or nothing if `change` fails. Name and stream stay.
    ///
    /// # Errors
    ///
    /// No toxic has that name, or `change` fails.
    pub fn update_toxic<E: From<ToxicError>>(
        &self,
        name: &str,
        change: impl FnOnce(&Toxic) -> Result<Toxic, E>,
    ) -> Result<Toxic, E> {
        let updated = self.toxics.update(name, change)?;
        self.connections.tap();
        Ok(updated)
    }

    /// Takes a toxic away. What it held goes on its way.
    ///
    /// # Errors
    ///
    /// No toxic has that name.
    pub fn remove_toxic(&self, name: &str) -> Result<(), ToxicError> {
        self.toxics.remove(name)?;
        self.connections.tap();
        Ok(())
    }

    /// Takes all toxics away.
    pub fn clear_toxics(&self) {
        self.toxics.clear();
        self.connections.tap();
    }
}
