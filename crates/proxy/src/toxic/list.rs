//! The toxics of one proxy, in order, as they come and go.
//!
//! Owns the list and what links follow of it; leaves telling the links that it changed to the proxy.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::{Stream, Toxic};
use crate::chain::{Spec, Specs};
use crate::control::lock;

/// The toxics of one proxy: the list, and what links need to follow it.
#[derive(Debug, Default)]
pub(crate) struct ToxicList {
    /// Grows with each change; a link that has seen another number looks again before it moves the next byte.
    version: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    names: HashMap<String, u64>,
    next_serial: u64,
    /// What links follow, per stream; made when the first one asks.
    specs: [Option<Specs>; 2],
}

#[derive(Debug)]
struct Entry {
    serial: u64,
    revision: u64,
    toxic: Toxic,
    wire: Arc<AtomicU64>,
    hits: Arc<AtomicU64>,
}

/// A change of a proxy's toxics that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ToxicError {
    /// The name is taken, on whichever stream.
    #[error("toxic already exists")]
    Exists,
    /// No toxic has that name.
    #[error("toxic not found")]
    NotFound,
}

impl ToxicList {
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn add(&self, toxic: Toxic) -> Result<(), ToxicError> {
        let mut inner = lock(&self.inner);
        let serial = inner.next_serial;
        if inner.names.contains_key(&toxic.name) {
            return Err(ToxicError::Exists);
        }
        inner.names.insert(toxic.name.clone(), serial);
        inner.next_serial += 1;
        inner.entries.push(Entry { serial, revision: 0, wire: Arc::default(), hits: Arc::default(), toxic });
        self.changed(&mut inner);
        Ok(())
    }

    pub(crate) fn get(&self, name: &str) -> Option<Toxic> {
        let inner = lock(&self.inner);
        let at = inner.position(name)?;
        Some(inner.entries[at].toxic.clone())
    }

    pub(crate) fn hits(&self, name: &str) -> Option<u64> {
        let inner = lock(&self.inner);
        let at = inner.position(name)?;
        Some(inner.entries[at].hits.load(Ordering::Relaxed))
    }

    /// Replaces the toxic of that name by what `change` makes of it, or leaves it alone if that fails.
    pub(crate) fn update<E: From<ToxicError>>(
        &self,
        name: &str,
        change: impl FnOnce(&Toxic) -> Result<Toxic, E>,
    ) -> Result<Toxic, E> {
        let mut inner = lock(&self.inner);
        let at = inner.position(name).ok_or(ToxicError::NotFound)?;
        let entry = &mut inner.entries[at];
        let updated = change(&entry.toxic)?;
        if updated.kind != entry.toxic.kind {
            entry.revision += 1;
        }
        entry.toxic.kind = updated.kind;
        entry.toxic.toxicity = updated.toxicity;
        let updated = entry.toxic.clone();
        self.changed(&mut inner);
        Ok(updated)
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), ToxicError> {
        let mut inner = lock(&self.inner);
        let at = inner.position(name).ok_or(ToxicError::NotFound)?;
        inner.entries.remove(at);
        inner.names.remove(name);
        self.changed(&mut inner);
        Ok(())
    }

    pub(crate) fn clear(&self) {
        let mut inner = lock(&self.inner);
        inner.entries.clear();
        inner.names.clear();
        self.changed(&mut inner);
    }

    /// Upstream first, each stream in order.
    pub(crate) fn all(&self) -> Vec<Toxic> {
        let inner = lock(&self.inner);
        Stream::ALL
            .into_iter()
            .flat_map(|stream| inner.entries.iter().filter(move |entry| entry.toxic.stream == stream))
            .map(|entry| entry.toxic.clone())
            .collect()
    }

    /// What a link of that stream follows, and the version it is.
    pub(crate) fn specs(&self, stream: Stream) -> (u64, Specs) {
        let mut inner = lock(&self.inner);
        let version = self.version();
        if let Some(specs) = &inner.specs[stream as usize] {
            return (version, Arc::clone(specs));
        }
        let specs: Specs = inner
            .entries
            .iter()
            .filter(|entry| entry.toxic.kind.acts_on(stream, entry.toxic.stream))
            .map(|entry| Spec {
                serial: entry.serial,
                revision: entry.revision,
                toxicity: entry.toxic.toxicity,
                kind: entry.toxic.kind.clone(),
                wire: Arc::clone(&entry.wire),
                hits: Arc::clone(&entry.hits),
            })
            .collect();
        inner.specs[stream as usize] = Some(Arc::clone(&specs));
        (version, specs)
    }

    fn changed(&self, inner: &mut Inner) {
        inner.specs = [None, None];
        self.version.fetch_add(1, Ordering::AcqRel);
    }
}

impl Inner {
    fn position(&self, name: &str) -> Option<usize> {
        let serial = *self.names.get(name)?;
        // Serials only grow along the list.
        self.entries.binary_search_by_key(&serial, |entry| entry.serial).ok()
    }
}
