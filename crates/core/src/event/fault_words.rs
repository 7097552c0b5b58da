//! What a fault does, as part of a sentence.

use crate::fault::{Direction, Fault, Flow, Impaired, Impairment, LockMode, RedisCommands, Signal};

/// What a fault does, in words.
#[must_use]
pub fn fault_words(fault: &Fault) -> String {
    if let Some(Impaired { impairment, flow, .. }) = fault.impaired() {
        return impaired_words(impairment, flow);
    }
    match fault {
        Fault::Latency(_)
        | Fault::Loss(_)
        | Fault::Duplicate(_)
        | Fault::Corrupt(_)
        | Fault::Reorder(_)
        | Fault::Rate(_) => String::new(),
        Fault::Partition { members, shape, flow } if !members.is_empty() => {
            let shape = shape.unwrap_or_default();
            format!("cut it off from members of its group of {} ({shape}){}", members.len(), way(flow))
        }
        Fault::Partition { flow, .. } => {
            let words = flow.words();
            let whom = if words.is_empty() { " with everybody" } else { &words };
            format!("drop its packets{whom}{}", way(flow))
        }
        Fault::HalfOpen { flow } => format!("silence its established connections{}", flow.words()),
        Fault::Vanish => "cut the host off without a word".to_owned(),
        Fault::Reject { with: refusal, flow } => {
            format!("refuse its packets ({refusal}){}{}", flow.words(), way(flow))
        }
        Fault::Flap { up, down, flow, .. } => {
            format!("make its link bad for {down} and good for {up} in turns{}", flow.words())
        }
        Fault::MtuBlackhole { above, flow } => {
            format!("drop its packets above {above} without a word{}", flow.words())
        }
        Fault::Dns { names, answer, .. } if names.is_empty() => {
            format!("answer its questions for names: {answer}")
        }
        Fault::Dns { names, answer, .. } => {
            format!("answer its questions for {}: {answer}", names.join(", "))
        }
        Fault::SocketKill { flow } => format!("destroy its TCP connections{}", flow.words()),
        Fault::PortTake { port, protocol, .. } => format!("take its {protocol} port {port}"),
        Fault::Kill { signal, every_restart } => {
            let verb = if *signal == Signal::Kill { "kill" } else { "end" };
            let again = if *every_restart { ", again after every restart" } else { "" };
            format!("{verb} the process (SIG{signal}){again}")
        }
        Fault::Pause { commands: RedisCommands::Writes } => "pause what writes".to_owned(),
        Fault::Pause { .. } => "pause the process".to_owned(),
        Fault::CpuLimit { cpus } => format!("leave its processes {cpus} processors"),
        Fault::MemoryLimit { memory } => format!("leave its processes {memory} of memory"),
        Fault::FdLimit { files } => format!("let its process open {files} files"),
        Fault::Oom => "have the kernel end its processes for lack of memory".to_owned(),
        Fault::Stress { .. } => "keep the machine busy".to_owned(),
        Fault::DiskFill { reserve } => format!("fill the file system up to {reserve}"),
        Fault::FsFreeze => "freeze the file system".to_owned(),
        Fault::FileLock { mode, .. } => format!("hold a lock on the file against {}", whom(*mode)),
        Fault::Lock { table, mode, rows, advisory } => {
            let what = match (table, rows, advisory) {
                (_, _, Some(number)) => format!(" by the number {number}"),
                (Some(table), Some(rows), _) => format!(" on rows of table {table} ({rows})"),
                (Some(table), None, _) => format!(" of table {table}"),
                (None, ..) => String::new(),
            };
            format!("hold a lock against {}{what}", whom(*mode))
        }
        Fault::IdleInTransaction { table } => {
            let table = table.as_ref().map_or(String::new(), |t| format!(" that has read {t}"));
            format!("leave a transaction{table} open and idle")
        }
        Fault::ExhaustConnections { leave } => format!("take all but {leave} of the server's connections"),
        Fault::PauseReplay => "keep the replica from applying what it receives".to_owned(),
        Fault::TerminateBackends { application, role } => {
            let of = |word: &str, name: &Option<String>| {
                name.as_ref().map_or(String::new(), |name| format!(" of {word} {name}"))
            };
            format!("end the server's sessions{}{}", of("application", application), of("role", role))
        }
        Fault::Spike { url, per_second, .. } => format!("send {per_second} requests a second to {url}"),
    }
}

fn impaired_words(impairment: &Impairment, flow: &Flow) -> String {
    let Impairment { delay, jitter, distribution: _, loss, burst, duplicate, corrupt, reorder, rate } =
        impairment;
    let mut words = Vec::new();
    if !delay.0.is_zero() {
        let jitter = if jitter.0.is_zero() { String::new() } else { format!(" ± {jitter}") };
        words.push(format!("delay its packets by {delay}{jitter}"));
    }
    if loss.ratio() > 0.0 {
        let burst = burst.map_or(String::new(), |burst| format!(" in bursts of {burst}"));
        words.push(format!("lose {loss} of its packets{burst}"));
    }
    for (verb, share) in [("duplicate", duplicate), ("corrupt", corrupt), ("reorder", reorder)] {
        if share.ratio() > 0.0 {
            words.push(format!("{verb} {share} of its packets"));
        }
    }
    if let Some(rate) = rate {
        words.push(format!("let {rate} pass"));
    }
    format!("{}{}{}", words.join(", "), flow.words(), way(flow))
}

const fn way(flow: &Flow) -> &'static str {
    match flow.direction {
        Direction::Egress => ", outwards only",
        Direction::Ingress => ", inwards only",
        Direction::Both => "",
    }
}

const fn whom(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Share => "writers",
        LockMode::Exclusive => "everybody",
    }
}
