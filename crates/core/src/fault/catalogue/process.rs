//! Kinds about processes.

use super::{Aim, Family, Kind, Value, optional, required};
use crate::fault::{FaultKind, RedisCommands, Signal};
use crate::privilege::Privilege;

const PROCESSES: &[Aim] = &[Aim::Pid, Aim::Process, Aim::Unit, Aim::Cgroup, Aim::Container];

/// To write control groups of others, and to move processes of others.
const GROUPS: &[Privilege] = &[Privilege::DacOverride, Privilege::SysNice];

pub(super) const KINDS: &[Kind] = &[
    Kind {
        kind: FaultKind::Kill,
        family: Family::Processes,
        about: "A signal ends the process, once or whenever it comes back",
        aims: PROCESSES,
        parameters: &[&[
            optional("signal", Value::Word(Signal::WORDS), "KILL", "Which signal"),
            optional("every-restart", Value::Flag, "once", "Again whenever a process takes its place"),
        ]],
        needs: "to own the process, or CAP_KILL",
        privileges: &[Privilege::Kill, Privilege::SysPtrace],
        undo: "none: what ended stays ended; whoever supervises it starts it again",
        example: "kill --pid 4711 --signal TERM --for 5s",
    },
    Kind {
        kind: FaultKind::Pause,
        family: Family::Processes,
        about: "The process stands still; with a Redis server, its commands wait",
        aims: &[Aim::Pid, Aim::Process, Aim::Unit, Aim::Cgroup, Aim::Container, Aim::Dsn],
        parameters: &[&[optional(
            "commands",
            Value::Word(RedisCommands::WORDS),
            "all",
            "Redis: which commands wait",
        )]],
        needs: "to own the process, or CAP_KILL; a control group for the freezer; Redis 6.2, and to be its administrator",
        privileges: &[Privilege::Kill, Privilege::DacOverride, Privilege::SysNice],
        undo: "it goes on (SIGCONT, or the freezer thaws); Redis goes on by itself two seconds after the last renewal",
        example: "pause --pid 4711 --for 30s",
    },
    Kind {
        kind: FaultKind::CpuLimit,
        family: Family::Processes,
        about: "The processes get little processor time",
        aims: PROCESSES,
        parameters: &[&[required("cpus", Value::Cpus, "How much, in processors")]],
        needs: "to write control groups with the cpu controller",
        privileges: GROUPS,
        undo: "the old limit is written back; a process that was moved goes back to its group",
        example: "cpu-limit --pid 4711 --cpus 0.1 --for 1m",
    },
    Kind {
        kind: FaultKind::MemoryLimit,
        family: Family::Processes,
        about: "The processes get little memory",
        aims: PROCESSES,
        parameters: &[&[required("memory", Value::Size, "How much")]],
        needs: "to write control groups with the memory controller",
        privileges: GROUPS,
        undo: "the old limit is written back; a process that was moved goes back to its group",
        example: "memory-limit --pid 4711 --memory 64MiB --for 1m",
    },
    Kind {
        kind: FaultKind::FdLimit,
        family: Family::Processes,
        about: "The process cannot open more files",
        aims: PROCESSES,
        parameters: &[&[required("files", Value::Count(1 << 30), "How many it may have open")]],
        needs: "to own the process; CAP_SYS_RESOURCE to give back a hard limit",
        privileges: &[Privilege::SysResource, Privilege::SysPtrace, Privilege::DacReadSearch],
        undo: "the old limit is set again",
        example: "fd-limit --pid 4711 --files 16 --for 1m",
    },
    Kind {
        kind: FaultKind::Oom,
        family: Family::Processes,
        about: "The kernel ends the processes because they are out of memory",
        aims: PROCESSES,
        parameters: &[],
        needs: "to write control groups with the memory controller",
        privileges: &[Privilege::DacOverride, Privilege::SysNice, Privilege::SysResource],
        undo: "the control group made for it is removed; what was ended stays ended",
        example: "oom --pid 4711 --for 10s",
    },
    Kind {
        kind: FaultKind::Stress,
        family: Family::Processes,
        about: "The machine is busy",
        aims: &[Aim::Host, Aim::Cgroup],
        parameters: &[&[
            optional("cpu", Value::Count(4_096), "0", "How many workers compute"),
            optional("memory", Value::Size, "none", "How much memory is filled and touched"),
            optional("io", Value::Count(4_096), "0", "How many workers write and sync"),
        ]],
        needs: "stress-ng",
        privileges: &[Privilege::DacOverride],
        undo: "the workers are ended, with their owner too",
        example: "stress --cpu 1 --memory 64MiB --for 30s",
    },
];
