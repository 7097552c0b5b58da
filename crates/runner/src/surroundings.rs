//! What placeholders and host names mean right now.
//!
//! Owns the seam between a session and the system it responds to: a running lab, or nothing at all.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use deadstick_core::template::Variables;
use deadstick_lab::LabClient;
use deadstick_probes::Context;
use tokio::sync::watch;

/// A future that a trait object can return.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The system an incident is about.
pub trait Surroundings: Send + Sync {
    /// Variables and process identities as they are now; empty when nobody can say.
    fn now(&self) -> Boxed<'_, (Variables, Context)>;
    /// What commands of checklists find in their environment.
    fn environment(&self) -> Vec<(String, String)>;
}

/// The environment variable that tells `deadstick lab` which lab is meant.
pub const LAB_FOLDER: &str = "DEADSTICK_LAB";

/// The file in an incident's folder that names the lab of its drill, for responders at other terminals.
const LAB_FILE: &str = "lab";

/// Notes which lab an incident is about.
///
/// # Errors
/// The file cannot be written.
pub fn note_lab(incident: &Path, folder: &Path) -> io::Result<()> {
    fs::write(incident.join(LAB_FILE), folder.as_os_str().as_encoded_bytes())
}

/// The lab that an incident was noted to be about; it may be gone by now.
#[must_use]
pub fn lab_folder_of(incident: &Path) -> Option<PathBuf> {
    let bytes = fs::read(incident.join(LAB_FILE)).ok()?;
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

/// Every lab of ours that is up, found by its folder in the given one.
pub async fn labs_up(under: &Path) -> Vec<LabClient> {
    let mut up = Vec::new();
    let Ok(entries) = fs::read_dir(under) else { return up };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("deadstick-lab-")
            && let Ok(lab) = LabClient::connect(&entry.path()).await
        {
            up.push(lab);
        }
    }
    up
}

/// A lab that may not be up yet, or no longer.
#[derive(Clone)]
pub struct LabSurroundings(watch::Receiver<Option<LabClient>>);

impl LabSurroundings {
    /// What a sender says about the lab.
    #[must_use]
    pub fn new(lab: watch::Receiver<Option<LabClient>>) -> Arc<Self> {
        Arc::new(Self(lab))
    }

    /// A lab that is up.
    #[must_use]
    pub fn of(lab: LabClient) -> Arc<Self> {
        Arc::new(Self(watch::channel(Some(lab)).1))
    }

    /// No lab at all.
    #[must_use]
    pub fn none() -> Arc<Self> {
        Arc::new(Self(watch::channel(None).1))
    }

    fn lab(&self) -> Option<LabClient> {
        self.0.borrow().clone()
    }
}

impl Surroundings for LabSurroundings {
    fn now(&self) -> Boxed<'_, (Variables, Context)> {
        Box::pin(async move {
            let Some(lab) = self.lab() else { return (Variables::new(), Context::default()) };
            // A lab that does not answer is a system nobody can see into: its probes will be unknown.
            let variables = lab.variables().await.unwrap_or_default();
            let mut processes = BTreeMap::new();
            for host in lab.description().hosts {
                if let (Ok(name), Ok(view)) = (host.parse(), lab.host(host).await) {
                    processes.insert(name, view.process);
                }
            }
            (variables, Context { processes })
        })
    }

    fn environment(&self) -> Vec<(String, String)> {
        self.lab()
            .map(|lab| (LAB_FOLDER.to_owned(), lab.folder().display().to_string()))
            .into_iter()
            .collect()
    }
}
