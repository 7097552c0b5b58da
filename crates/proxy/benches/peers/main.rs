//! Measures proxies side by side, in one run, on loopback: direct, deadstick, HAProxy with splice if it is installed, and any
//! proxy named on the command line as `NAME=HOST:PORT` that leads to the port given with `--port`.
//!
//! Every server and proxy is a process of its own, as in use. Rounds alternate between the ways, and a ratio is the median of the
//! ratios to direct within each round, since machines are noisier between rounds than within one.

#![expect(clippy::print_stdout, reason = "tables and addresses are what this program is for")]

mod measure;
mod processes;
mod table;

use std::net::SocketAddr;
use std::time::Duration;

use self::measure::{Plan, Way};
use self::processes::{Child, Role};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let Some(role) = Role::from_arguments(&arguments) {
        role.run();
        return;
    }
    let number = |name: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let only = arguments.iter().position(|argument| argument == "--only");
    let only = only.map(|at| arguments.get(at + 1).cloned().expect("--only has a part behind it"));
    if let Some(part) = &only {
        assert!(measure::PARTS.contains(&part.as_str()), "{part} is none of {:?}", measure::PARTS);
    }
    let room = processes::room();
    let plan = Plan {
        rounds: usize::try_from(number("--rounds", 5)).expect("a small number"),
        span: Duration::from_millis(number("--milliseconds", 2_000)),
        idle: usize::try_from(number("--idle", 10_000)).expect("a small number").min(room),
        only,
    };
    let port = u16::try_from(number("--port", 0)).expect("a port");

    let server = Child::start(&["server", &port.to_string()]);
    let upstream = server.address();
    let deadstick = Child::start(&["proxy", &upstream.to_string()]);
    let precise = Child::start(&["precise", &upstream.to_string()]);
    let haproxy = processes::haproxy(upstream, room);
    let way = |name: &str, child: &Child| Way {
        name: name.to_owned(),
        address: child.address(),
        api: Some(child.second_address()),
        pid: Some(child.id()),
    };
    let precise = way("-precise", &precise);
    let mut ways = vec![
        Way { name: "direct".to_owned(), address: upstream, api: None, pid: None },
        way("deadstick", &deadstick),
    ];
    match &haproxy {
        Some((child, address)) => {
            ways.push(Way {
                name: "HAProxy".to_owned(),
                address: *address,
                api: None,
                pid: Some(child.id()),
            });
        }
        None => println!("HAProxy is not installed: left out."),
    }
    for argument in &arguments {
        if let Some((name, address)) = argument.split_once('=')
            && let Ok(address) = address.parse::<SocketAddr>()
        {
            ways.push(Way { name: name.to_owned(), address, api: None, pid: None });
        }
    }
    println!("{} rounds of {:?} each on {} cores\n", plan.rounds, plan.span, cores());
    let compared = measure::compare(&ways, &plan);
    if !compared.is_empty() {
        table::print_comparison(&compared);
    }
    if plan.wants("idle") {
        table::print_idle(&measure::idle(&ways, &plan));
    }
    if plan.wants("toxics") {
        table::print_accuracy(&measure::accuracy(&ways[0], &ways[1], &precise, &plan));
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
