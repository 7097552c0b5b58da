//! A file system of a test: ext4 in a file, mounted where only this thread and what it starts see it.

use std::path::{Path, PathBuf};
use std::process::Command;

use deadstick_core::fault::ResolvedTarget;
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

pub(crate) struct Scratch {
    folder: TempDir,
    /// Where it is mounted.
    pub(crate) path: PathBuf,
}

fn run(program: &str, arguments: &[&str]) {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Scratch {
    /// Moves the calling thread into a mount namespace of its own: to be called before a runtime starts its threads.
    pub(crate) fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace needs root");
        run("mount", &["--make-rprivate", "/"]);
        let folder = tempfile::Builder::new().prefix("deadstick-scratch-").tempdir().expect("a folder");
        let (image, path) = (folder.path().join("image"), folder.path().join("mnt"));
        std::fs::File::create(&image).and_then(|file| file.set_len(64 << 20)).expect("an image");
        std::fs::create_dir(&path).expect("a folder");
        let text = |path: &Path| path.to_str().expect("plain").to_owned();
        run("mkfs.ext4", &["-q", "-F", &text(&image)]);
        run("mount", &["-o", "loop", &text(&image), &text(&path)]);
        Self { folder, path }
    }

    pub(crate) fn target(&self) -> ResolvedTarget {
        ResolvedTarget {
            name: "scratch".to_owned(),
            path: Some(self.path.clone()),
            ..ResolvedTarget::default()
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Lazily: the end of the namespace ends it in any case, and a test that failed may still have files open.
        run("umount", &["--lazy", self.path.to_str().expect("plain")]);
        assert!(self.folder.path().exists());
    }
}
