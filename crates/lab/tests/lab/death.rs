//! What becomes of a lab when its owner or its supervisor is killed, and how one fares without root.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use deadstick_core::ledger::Undo;
use deadstick_lab::{Lab, LabClient, LabError, SHOP, SHOP_POSTGRES};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::sleep;

use super::common::{Bench, Http, may_make_namespaces, mounts, networks, none, program, residue, until};

/// The example `lab-owner`, running.
struct Owner {
    child: Child,
    stdin: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    id: String,
    supervisor: i32,
}

impl Owner {
    async fn start(command: &mut Command, lab: &str, under: &Path, program: &Path) -> Self {
        let mut child = command
            .arg(lab)
            .arg(under)
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdin = child.stdin.take().expect("a pipe");
        let said = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut owner = Self { child, stdin, said, id: String::new(), supervisor: 0 };
        let prepared = owner.hear().await;
        let words: Vec<&str> = prepared.split(' ').collect();
        let ["prepared", id, supervisor] = words.as_slice() else { panic!("it said {prepared:?}") };
        owner.id = (*id).to_owned();
        owner.supervisor = supervisor.parse().expect("a pid");
        owner
    }

    async fn beside(lab: &str, bench: &Bench) -> Self {
        let program = program();
        let owner = program.with_file_name("lab-owner");
        Self::start(&mut Command::new(owner), lab, bench.under(), &program).await
    }

    async fn tell(&mut self) {
        self.stdin.write_all(b"\n").await.expect("it listens");
    }

    async fn hear(&mut self) -> String {
        self.said.next_line().await.expect("a line").expect("not the end")
    }

    fn kill(&self, pid: i32) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    }

    fn pid(&self) -> i32 {
        self.child.id().expect("not waited for").try_into().expect("a pid")
    }

    fn folder(&self, under: &Path) -> PathBuf {
        under.join(&self.id)
    }
}

/// Everything but perhaps the folder goes, in the time that the kernel needs on a busy machine.
async fn all_gone(id: &str, networks: &[u64]) {
    let began = Instant::now();
    until("every process is gone", || async { residue(id, networks).is_empty() }).await;
    eprintln!("{id} was gone after {:.0?}", began.elapsed());
}

fn labs() -> Vec<&'static str> {
    if may_make_namespaces() { vec!["shop", "shop-postgres"] } else { vec!["shop"] }
}

#[tokio::test]
async fn a_killed_owner_takes_everything_along() {
    for lab in labs() {
        let bench = Bench::new();
        let mut owner = Owner::beside(lab, &bench).await;
        owner.tell().await;
        assert_eq!(owner.hear().await, "ready");
        let folder = owner.folder(bench.under());
        let client = LabClient::connect(&folder).await.expect("it is there");
        client.run("job", &none()).await.expect("it starts");
        let networks = networks(&client).await;
        assert!(!residue(&owner.id, &networks).is_empty(), "the look for residue sees a running lab");
        if may_make_namespaces() {
            let inner = client.status().await.expect("it answers").supervisor.pid.to_string();
            let own = mounts(&inner).lines().any(|m| m.contains(" /dev/shm ") && m.contains("deadstick"));
            assert!(own, "shared memory goes with the lab");
        }
        owner.kill(owner.pid());
        owner.child.wait().await.expect("it is dead");
        all_gone(&owner.id, &networks).await;
        // The supervisor lived on just long enough to clean up.
        assert_eq!(bench.content(), Vec::<PathBuf>::new(), "{lab}");
    }
}

#[tokio::test]
async fn a_killed_supervisor_takes_everything_but_the_folder_along() {
    for lab in labs() {
        let bench = Bench::new();
        let mut owner = Owner::beside(lab, &bench).await;
        owner.tell().await;
        assert_eq!(owner.hear().await, "ready");
        let folder = owner.folder(bench.under());
        let client = LabClient::connect(&folder).await.expect("it is there");
        let networks = networks(&client).await;
        owner.kill(owner.supervisor);
        all_gone(&owner.id, &networks).await;
        assert!(matches!(client.status().await, Err(LabError::Ended)), "{lab}");
        // The owner notices, and its stop takes the folder away.
        owner.tell().await;
        assert_eq!(owner.hear().await, "stopped");
        assert_eq!(bench.content(), Vec::<PathBuf>::new(), "{lab}");
        owner.child.wait().await.expect("it ends");
    }
}

#[tokio::test]
async fn killed_at_any_moment_of_the_start_nothing_is_left() {
    // Moments spread over the whole start; which step each one hits differs from run to run.
    for (lab, step_ms) in labs().into_iter().zip([6, 170]) {
        for moment in 0..10 {
            let bench = Bench::new();
            let mut owner = Owner::beside(lab, &bench).await;
            owner.tell().await;
            sleep(Duration::from_millis(moment * step_ms)).await;
            let both = moment % 3 == 2;
            if both {
                owner.kill(owner.supervisor);
            }
            owner.kill(owner.pid());
            owner.child.wait().await.expect("it is dead");
            all_gone(&owner.id, &[]).await;
            let folder = owner.folder(bench.under());
            if both && folder.exists() {
                // This is the guardian's part; it recognises the folder by its mark, unless that was not written yet.
                let empty = std::fs::read_dir(&folder).expect("it is there").next().is_none();
                let mark = std::fs::read_to_string(folder.join(deadstick_lab::MARK_FILE)).ok();
                let ours = owner.id.replace("deadstick-lab-", "deadstick-lab ");
                assert!(
                    empty || mark == Some(ours),
                    "{lab}, moment {moment}: not to be recognised by its mark"
                );
            } else {
                assert_eq!(bench.content(), Vec::<PathBuf>::new(), "{lab}, moment {moment}");
            }
        }
    }
}

#[tokio::test]
async fn the_undo_is_known_before_anything_is_done() {
    let bench = Bench::new();
    let prepared = Lab::prepare(&SHOP, &bench.options()).await.expect("it starts");
    let (undo, supervisor) = (prepared.undo(), prepared.supervisor().clone());
    let Undo::All { steps } = &undo else { panic!("{undo:?}") };
    let [Undo::EndLab { process }, Undo::RemoveFolder { path, mark }] = steps.as_slice() else {
        panic!("{undo:?}")
    };
    assert_eq!((process, path.as_path()), (&supervisor, prepared.folder()));
    assert!(!path.exists());
    let lab = prepared.start(|_| ()).await.expect("it starts");
    assert_eq!(
        std::fs::read_to_string(path.join(deadstick_lab::MARK_FILE)).as_deref().ok(),
        Some(mark.as_str())
    );
    assert_eq!(lab.undo(), undo);
    bench.stop(lab).await;

    let idle = Lab::prepare(&SHOP_POSTGRES, &bench.options()).await.expect("it starts");
    let id = idle.folder().file_name().and_then(|n| n.to_str()).expect("a name").to_owned();
    assert!(!residue(&id, &[]).is_empty(), "it waits");
    drop(idle);
    all_gone(&id, &[]).await;
    assert_eq!(bench.content(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_dropped_lab_ends() {
    let bench = Bench::new();
    let lab = bench.start(&SHOP).await;
    let id = lab.id().to_owned();
    drop(lab);
    all_gone(&id, &[]).await;
    until("the folder is gone", || async { bench.content().is_empty() }).await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_said_and_nothing_is_left() {
    let bench = Bench::new();
    let options = deadstick_lab::Options { under: bench.under().join("nowhere"), ..bench.options() };
    let prepared = Lab::prepare(&SHOP, &options).await.expect("the supervisor starts");
    let error = prepared.start(|_| ()).await.expect_err("there is no such folder");
    assert!(matches!(&error, LabError::File { .. }), "{error}");
    assert_eq!(bench.content(), Vec::<PathBuf>::new());
    let nowhere = deadstick_lab::Options { program: "/nonexistent/deadstick".into(), ..bench.options() };
    assert!(matches!(Lab::prepare(&SHOP, &nowhere).await, Err(LabError::Spawn { .. })));
}

/// Both labs as user nobody: no root, a user namespace where there must be one.
#[tokio::test]
async fn both_labs_run_without_root() {
    if !may_make_namespaces() {
        return;
    }
    let bench = Bench::new();
    bench.give_to_everybody();
    // Where the tests are built may be closed to others.
    let programs = tempfile::tempdir().expect("a temporary folder");
    let shared = |name: &str| {
        let to = programs.path().join(name);
        std::fs::copy(program().with_file_name(name), &to).expect("it is built");
        to
    };
    let (owner, program) = (shared("lab-owner"), shared("lab-process"));
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(programs.path(), std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    for lab in ["shop", "shop-postgres"] {
        let began = Instant::now();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&owner);
        let mut owner = Owner::start(&mut command, lab, bench.under(), &program).await;
        owner.tell().await;
        assert_eq!(owner.hear().await, "ready", "{lab}");
        eprintln!("{lab} was ready after {:.0?} as nobody", began.elapsed());
        let client = LabClient::connect(&owner.folder(bench.under())).await.expect("it is there");
        client.run("job", &none()).await.expect("it starts");
        let http = Http::of(&client).await;
        assert_eq!(http.post("/checkout").await.map(|a| a.status), Some(200));
        if lab == "shop-postgres" {
            client.set("postgres.tcp_keepalives_idle", "0s").await.expect("it is taken");
        }
        let networks = networks(&client).await;
        // Without a pid namespace the children's own death signal has to do it.
        owner.kill(if lab == "shop" { owner.supervisor } else { owner.pid() });
        all_gone(&owner.id, &networks).await;
        if lab == "shop" {
            owner.tell().await;
            assert_eq!(owner.hear().await, "stopped");
        }
        owner.child.wait().await.expect("it ends");
        assert_eq!(bench.content(), Vec::<PathBuf>::new(), "{lab}");
    }
}
