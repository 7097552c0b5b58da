//! The launcher: what a process of the lab is for a moment before it becomes its program.
//!
//! It gives up what the program must not have (another user's rights, capabilities, the terminal, the environment),
//! asks the kernel to end it with the supervisor, says who it is, and execs.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, dup2_stderr, dup2_stdout, setgid, setgroups, setuid};
use rustix::thread::clear_ambient_capability_set;

use super::{Arguments, Event, FAILED, Misuse, say};
use crate::identity;

pub(super) fn main(arguments: &Arguments) -> Result<u8, Misuse> {
    if let Err(error) = launch(arguments)? {
        say(&Event::Failed(error.to_string()));
    }
    Ok(FAILED)
}

/// Returns only when it fails.
fn launch(arguments: &Arguments) -> Result<std::io::Result<()>, Misuse> {
    let parent: u32 = arguments.get("parent")?;
    let log = arguments.path("log")?;
    let user: Option<u32> = arguments.maybe("user")?;
    let group: Option<u32> = arguments.maybe("group")?;
    let foreign: bool = arguments.get("foreign")?;
    let (program, args) = arguments.rest().split_first().ok_or(Misuse)?;
    let become_it = || -> std::io::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&log)?;
        dup2_stderr(&log)?;
        if let (Some(user), Some(group)) = (user, group) {
            setgroups(&[])?;
            setgid(Gid::from_raw(group))?;
            setuid(Uid::from_raw(user))?;
        } else {
            // Only ambient capabilities pass to the program of an unprivileged user; it needs none.
            clear_ambient_capability_set()?;
        }
        // After the change of user, which clears it.
        set_pdeathsig(Signal::SIGKILL)?;
        if identity::parent()? != parent {
            return Err(std::io::Error::other("the supervisor is gone"));
        }
        say(&Event::Launched { process: identity::mine()?, network: identity::network()? });
        if foreign {
            dup2_stdout(&log)?;
        }
        let mut command = Command::new(program);
        command.args(args).env_clear().env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        Err(command.exec())
    };
    Ok(become_it())
}
