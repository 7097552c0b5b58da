//! One body, two arms: what the injector promises of a process and a network fault, on a recording fake and on the real
//! kernel. The fake arm also says what is never sent.

mod common;
#[path = "fake/machine.rs"]
mod machine;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Bench, Pair, Victim, WITNESS, fault, group, store};
use deadstick_core::fault::{Flow, ResolvedTarget, Signal, Target};
use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use deadstick_core::ledger::CapturedQdisc;
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{
    Control, Conversation, Delivery, Destroyer, Ended, Imposition, Kernel, KernelError, Linux, Networks,
    Place, PortOwner, Processes, Questions, Reach, Reception, Root, Sent, Shapeable, Shaping, Shown, Sockets,
    Table, TableEffect, TableSpec, Tracking,
};
use deadstick_faults::process::Life;
use deadstick_faults::{FaultError, HostFacts, Injector, Undone};

const LEASE: HumanDuration = HumanDuration::secs(60);

/// A host with one process and one link to a witness.
#[derive(Default)]
struct World {
    stopped: bool,
    ended: bool,
    tables: Vec<TableSpec>,
    /// Device and mark.
    classes: Vec<(String, u32)>,
    calls: Vec<String>,
    machine: machine::Machine,
    /// Tables are taken and do nothing, as on an interface that carries no traffic.
    inert: bool,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<World>>);

impl Fake {
    fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.0.lock().expect("not poisoned"))
    }

    fn silent(&self) -> bool {
        self.with(|world| {
            let silences =
                |table: &TableSpec| matches!(table.effect, TableEffect::Silence | TableEffect::Cut { .. });
            !world.inert && world.tables.iter().any(silences)
        })
    }
}

impl Processes for Fake {
    fn life(&self, process: &ProcessIdentity) -> Result<Life, KernelError> {
        Ok(self.with(|world| {
            match (world.ended || process.start_ticks != identity().start_ticks, world.stopped) {
                (true, _) => Life::Gone,
                (_, true) => Life::Stopped,
                _ => Life::Running,
            }
        }))
    }

    fn signal(&self, process: &ProcessIdentity, what: Sent) -> Result<Delivery, KernelError> {
        if self.life(process)? == Life::Gone {
            return Ok(Delivery::Gone);
        }
        self.with(|world| {
            world.calls.push(format!("{what:?}"));
            match what {
                Sent::End(_) => world.ended = true,
                Sent::Stop => world.stopped = true,
                Sent::Continue => world.stopped = false,
            }
        });
        Ok(Delivery::Sent)
    }

    fn reception(&self, process: &ProcessIdentity, _: Signal) -> Result<Option<Reception>, KernelError> {
        Ok((self.life(process)? != Life::Gone).then_some(Reception::Default))
    }

    fn find(&self, _: &Target) -> Result<Vec<ProcessIdentity>, KernelError> {
        Ok(vec![identity()])
    }

    fn time_used(&self, _: &ProcessIdentity) -> Result<Duration, KernelError> {
        Ok(Duration::ZERO)
    }

    fn offspring(&self, _: &[ProcessIdentity]) -> Result<Vec<ProcessIdentity>, KernelError> {
        Ok(Vec::new())
    }
}

impl Networks for Fake {
    fn install(&self, _: &NetworkIdentity, spec: &TableSpec) -> Result<Box<dyn Table>, KernelError> {
        self.with(|world| {
            world.calls.push(format!("install {:?}", spec.effect));
            world.tables.push(spec.clone());
        });
        Ok(Box::new(FakeTable(self.clone(), spec.name.clone())))
    }

    fn has_table(&self, _: &NetworkIdentity, name: &str) -> Result<bool, KernelError> {
        Ok(self.with(|world| world.tables.iter().any(|table| table.name == name)))
    }

    fn addresses(&self, _: &NetworkIdentity) -> Result<Vec<IpAddr>, KernelError> {
        Ok(vec![[10, 9, 0, 1].into()])
    }

    fn ping(
        &self,
        _: &NetworkIdentity,
        _: IpAddr,
        length: u16,
        _: Duration,
    ) -> Result<Option<Duration>, KernelError> {
        let swallowed = self.with(|world| {
            let large = |table: &TableSpec| matches!(table.effect, TableEffect::Oversize { above, .. } if above < length);
            !world.inert && world.tables.iter().any(large)
        });
        Ok((!swallowed && !self.silent()).then_some(Duration::from_millis(1)))
    }

    fn reach(&self, _: &NetworkIdentity, _: SocketAddr, _: Duration) -> Result<Reach, KernelError> {
        Ok(if self.silent() { Reach::Silent } else { Reach::Accepted(Duration::from_millis(1)) })
    }

    fn converse(
        &self,
        _: &NetworkIdentity,
        _: SocketAddr,
        _: Duration,
    ) -> Result<Box<dyn Conversation>, KernelError> {
        Ok(Box::new(FakeTalk(self.clone())))
    }

    fn farewell(
        &self,
        _: &NetworkIdentity,
        _: SocketAddr,
        _: Duration,
    ) -> Result<Option<Duration>, KernelError> {
        Ok(Some(Duration::from_millis(1)))
    }
}

impl Sockets for Fake {
    fn destroyer(&self, _: &NetworkIdentity) -> Result<Box<dyn Destroyer>, KernelError> {
        Ok(Box::new(self.clone()))
    }

    fn sacrifice(
        &self,
        _: &NetworkIdentity,
        _: SocketAddr,
        _: Duration,
    ) -> Result<Option<Duration>, KernelError> {
        Ok(self.with(|world| !world.inert).then_some(Duration::from_millis(1)))
    }

    fn port_owners(&self, _: &NetworkIdentity, _: &Place) -> Result<Vec<PortOwner>, KernelError> {
        Ok(Vec::new())
    }

    fn try_bind(&self, _: &NetworkIdentity, _: &Place) -> Result<Result<(), std::io::Error>, KernelError> {
        Ok(Ok(()))
    }
}

impl Tracking for Fake {
    fn forget(&self, _: &NetworkIdentity, _: Questions) -> Result<usize, KernelError> {
        Ok(0)
    }
}

impl Destroyer for Fake {
    fn destroy(&self, _: &Flow, spared: &[ProcessIdentity]) -> Result<Vec<Ended>, KernelError> {
        assert_eq!(spared.len(), 2, "the owner and its guardian");
        Ok(Vec::new())
    }
}

/// A network with one device. Which classes do what is measured on real kernels.
impl Shaping for Fake {
    fn shapeable(&self, _: &NetworkIdentity) -> Result<Vec<Shapeable>, KernelError> {
        Ok(vec![Shapeable { device: "dsa".to_owned(), root: Root::Default }])
    }

    fn capture(&self, _: &NetworkIdentity, _: &str) -> Result<Vec<CapturedQdisc>, KernelError> {
        Ok(Vec::new())
    }

    fn fits(&self, _: &NetworkIdentity, _: &Imposition) -> Result<(), KernelError> {
        Ok(())
    }

    fn impose(
        &self,
        network: &NetworkIdentity,
        imposition: &Imposition,
    ) -> Result<Vec<Box<dyn Table>>, KernelError> {
        let Imposition { name, layer, lease, flow, mark, devices, .. } = imposition;
        let names: Vec<_> = devices.iter().map(|(name, _)| name.as_str()).collect();
        for device in if names.is_empty() { vec!["deadstick-in"] } else { names } {
            self.with(|world| {
                world.calls.push(format!("class {device}"));
                world.classes.push((device.to_owned(), *mark));
            });
        }
        let effect = TableEffect::Classify { flow: flow.clone(), code: 1, said: Vec::new() };
        let spec = TableSpec { name: name.clone(), layer: *layer, lease: *lease, effect };
        Ok(vec![self.install(network, &spec)?])
    }

    fn shown(&self, _: &NetworkIdentity, imposition: &Imposition) -> Result<Option<Shown>, KernelError> {
        let is_there = self.with(|world| world.tables.iter().any(|table| table.name == imposition.name));
        let chosen = self.with(|world| u64::from(!world.inert));
        Ok(is_there.then(|| Shown { sent: chosen, as_asked: true, ..Shown::default() }))
    }

    fn remove_classes(
        &self,
        _: &NetworkIdentity,
        device: &str,
        _: u16,
        mark: Option<u32>,
        _: &[CapturedQdisc],
    ) -> Result<bool, KernelError> {
        Ok(self.with(|world| {
            world.calls.push(format!("no class {device}"));
            let before = world.classes.len();
            world.classes.retain(|one| one.0 != device || mark.is_some_and(|mark| one.1 != mark));
            world.classes.len() < before
        }))
    }

    fn remove_device(&self, _: &NetworkIdentity, name: &str, _: u32) -> Result<bool, KernelError> {
        Ok(self.with(|world| {
            world.calls.push(format!("no device {name}"));
            !world.classes.iter().any(|one| one.0 == name)
        }))
    }

    fn knock(&self, _: &NetworkIdentity, _: SocketAddr, _: u32, _: Duration) -> Result<(), KernelError> {
        Ok(())
    }
}

struct FakeTable(Fake, String);

impl Table for FakeTable {
    fn hits(&self) -> Result<u64, KernelError> {
        Ok(0)
    }
    fn connections(&self) -> usize {
        1
    }
    fn act_for(&mut self, _: Duration) -> Result<(), KernelError> {
        Ok(())
    }
    fn remove(self: Box<Self>) -> Result<(), KernelError> {
        Ok(())
    }
}

impl Drop for FakeTable {
    fn drop(&mut self) {
        self.0.with(|world| {
            world.calls.push("remove".to_owned());
            world.tables.retain(|table| table.name != self.1);
        });
    }
}

struct FakeTalk(Fake);

impl Conversation for FakeTalk {
    fn is_heard(&mut self, _: Duration) -> Result<bool, KernelError> {
        Ok(self.0.with(|world| {
            world.inert || !world.tables.iter().any(|table| matches!(table.effect, TableEffect::Hush { .. }))
        }))
    }
}

fn identity() -> ProcessIdentity {
    ProcessIdentity { pid: 4_000_000, start_ticks: 77, boot: "fake".to_owned() }
}

fn fake_target() -> ResolvedTarget {
    ResolvedTarget {
        name: "client".to_owned(),
        process: Some(identity()),
        network: Some(NetworkIdentity::of_process(identity(), 1)),
        witness: Some(WITNESS.into()),
        ..ResolvedTarget::default()
    }
}

const FACTS: HostFacts = HostFacts {
    device_hooks: true,
    socket_groups: true,
    refusals: true,
    redirect: true,
    htb: true,
    forward: true,
    netem: true,
    relay: false,
};

/// The body. Its process is not killed until the end.
async fn conforms(kernel: Arc<dyn Kernel>, target: ResolvedTarget) {
    let bench = Bench::new();
    let injector = Injector::arm_on(bench.settings(), Arc::clone(&kernel), FACTS).await.expect("armed");
    let network = target.network.clone().expect("a network");
    let answers = || kernel.reach(&network, WITNESS.into(), Duration::from_millis(200)).expect("tried");
    let process = target.process.clone().expect("a process");
    for fault in [fault("vanish"), fault("partition"), fault("half-open")] {
        let injected = injector.inject(fault.clone(), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{fault:?}: {:?}", injected.proof);
        let table = format!("deadstick-{}", injected.id);
        assert!(kernel.has_table(&network, &table).expect("asked"), "{fault:?}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done), "{fault:?}");
        assert!(!kernel.has_table(&network, &table).expect("asked"), "{fault:?}");
        assert!(matches!(answers(), Reach::Accepted(_)), "{fault:?}");
        let words = &store::faults(&bench.ledger())[&injected.id].words;
        assert_eq!(words, &["applying", "applied", "proved", "undoing", "undone"], "{fault:?}");
    }
    let injected = injector.inject(fault("socket-kill"), target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    // Two for the same packets, of which the first one goes first.
    let mut slow = Vec::new();
    for words in ["rate rate=10MiB/s", "rate rate=1MiB/s"] {
        let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
        slow.push(injected.id);
    }
    for id in slow {
        assert_eq!(injector.undo(&id, "asked").await, Ok(Undone::Done));
        assert!(matches!(answers(), Reach::Accepted(_)));
    }
    let both = [fault("vanish"), fault("pause")];
    for fault in both {
        injector.inject(fault, target.clone(), LEASE).await.expect("injected");
    }
    assert_eq!(injector.undo_faults("abort").await, []);
    assert_eq!(kernel.life(&process).expect("readable"), Life::Running);
    assert!(matches!(answers(), Reach::Accepted(_)));
    let mut later = target.clone();
    later.process.as_mut().expect("a process").start_ticks += 1;
    let refused = injector.inject(fault("kill signal=KILL"), later, LEASE).await;
    assert!(matches!(refused, Err(FaultError::Refused { .. })), "{refused:?}");
    assert_eq!(kernel.life(&process).expect("readable"), Life::Running);
    let injected = injector.inject(fault("kill signal=KILL"), target, LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(injector.close().await, []);
}

/// The second body: what is done to a process in a control group.
async fn holds_back(kernel: Arc<dyn Kernel>, target: ResolvedTarget, folder: &Path) {
    let bench = Bench::new();
    let injector = Injector::arm_on(bench.settings(), Arc::clone(&kernel), FACTS).await.expect("armed");
    let process = target.process.clone().expect("a process");
    let frozen = |kernel: &dyn Kernel| {
        let files = ["cgroup.freeze", "freezer.state"];
        files
            .map(|file| kernel.value(folder, file).expect("readable"))
            .into_iter()
            .flatten()
            .collect::<String>()
    };
    let world = |kernel: &dyn Kernel| {
        let home = kernel.home(Control::Cpu, &process).expect("readable");
        (home, kernel.file_limit(&process).expect("readable"), frozen(kernel))
    };
    let before = world(kernel.as_ref());
    let bare = ResolvedTarget { cgroup: None, ..target.clone() };
    for (words, target) in [("pause", &target), ("cpu-limit cpus=0.5", &bare), ("fd-limit files=64", &bare)] {
        let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
        assert_ne!(world(kernel.as_ref()), before, "{words}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done), "{words}");
        assert_eq!(world(kernel.as_ref()), before, "{words}");
        let words_told = &store::faults(&bench.ledger())[&injected.id].words;
        assert_eq!(words_told, &["applying", "applied", "proved", "undoing", "undone"], "{words}");
    }
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_back_on_the_fake() {
    let fake = Fake::default();
    let target = ResolvedTarget { cgroup: Some("home".into()), ..fake_target() };
    holds_back(Arc::new(fake.clone()), target, Path::new(machine::HOME)).await;
    let calls = fake.with(|world| world.calls.clone());
    assert_eq!(calls, ["cgroup.freeze = 1", "cgroup.freeze = 0", "cpu.max = 50000 100000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_back_on_the_real_kernel() {
    let hierarchy = group::hierarchies(&["freezer"]).remove(0);
    let group = group::TestGroup::within(&hierarchy, format!("deadstick-conforms-{}", std::process::id()));
    let victim = Victim::new();
    group.take(victim.0.id());
    let target = ResolvedTarget { cgroup: Some(group.path.clone()), ..victim.target() };
    holds_back(Arc::new(Linux), target, &hierarchy.folder(&group.path)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_fake() {
    let fake = Fake::default();
    conforms(Arc::new(fake.clone()), fake_target()).await;
    let calls = fake.with(|world| world.calls.clone());
    assert_eq!(calls.iter().filter(|call| call.starts_with("install")).count(), 8, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| *call == "remove").count(), 8, "{calls:?}");
    for made in
        ["class dsa", "class deadstick-in", "no class dsa", "no class deadstick-in", "no device deadstick-in"]
    {
        assert_eq!(calls.iter().filter(|call| *call == made).count(), 2, "{made}: {calls:?}");
    }
    assert_eq!(fake.with(|world| world.classes.clone()), []);
    let signals: Vec<_> = calls
        .iter()
        .filter(|call| ["Stop", "Continue"].contains(&call.as_str()) || call.starts_with("End"))
        .collect();
    assert_eq!(signals, ["Stop", "Continue", "End(Kill)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_real_kernel() {
    let pair = Pair::new();
    conforms(Arc::new(Linux), pair.target()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_without_effect_is_said_not_to_have_landed() {
    let (bench, fake) = (Bench::new(), Fake::default());
    fake.with(|world| world.inert = true);
    let injector = Injector::arm_on(bench.settings(), Arc::new(fake), FACTS).await.expect("armed");
    for fault in [fault("vanish"), fault("half-open"), fault("socket-kill")] {
        let injected = injector.inject(fault.clone(), fake_target(), LEASE).await.expect("injected");
        assert!(!injected.proof.landed, "{fault:?}: {:?}", injected.proof);
        assert!(store::faults(&bench.ledger())[&injected.id].words.contains(&"not-proved"));
    }
    assert_eq!(injector.close().await, []);
}
