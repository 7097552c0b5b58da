//! The metrics page, in Prometheus's text format 0.0.4. Counters move while connections live.

use std::fmt::Write;
use std::fs;
use std::sync::atomic::Ordering;

use super::Api;
use crate::toxic::Stream;

/// The content type of the page.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page.
pub(super) fn exposition(api: &Api) -> String {
    let mut out = String::new();
    if api.proxy_metrics {
        traffic(&mut out, api);
    }
    if api.runtime_metrics {
        process(&mut out);
    }
    family(
        &mut out,
        "promhttp_metric_handler_errors_total",
        "counter",
        "Total number of internal errors encountered by the metric handler.",
    );
    for cause in ["encoding", "gathering"] {
        line(&mut out, &format!("promhttp_metric_handler_errors_total{{cause=\"{cause}\"}} 0"));
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    line(out, &format!("# HELP {name} {help}"));
    line(out, &format!("# TYPE {name} {kind}"));
}

fn traffic(out: &mut String, api: &Api) {
    let mut all = api.registry.series();
    all.sort_by(|(a, a_series), (b, b_series)| {
        (a, &a_series.listen, &a_series.upstream).cmp(&(b, &b_series.listen, &b_series.upstream))
    });
    // A proxy made again at the same place continues its line: labels must not repeat.
    let mut rows: Vec<(String, [u64; 2])> = Vec::new();
    for (proxy, series) in &all {
        for stream in [Stream::Downstream, Stream::Upstream] {
            let labels = format!(
                "{{direction=\"{stream}\",listener=\"{}\",proxy=\"{}\",upstream=\"{}\"}}",
                escape(&series.listen),
                escape(proxy),
                escape(&series.upstream)
            );
            let counter = &series.traffic.0[stream as usize];
            let counts = [counter.received.load(Ordering::Relaxed), counter.sent.load(Ordering::Relaxed)];
            // Equal ones are neighbours, two directions each.
            match rows.iter_mut().rev().take(2).find(|(known, _)| *known == labels) {
                Some((_, sums)) => {
                    sums[0] += counts[0];
                    sums[1] += counts[1];
                }
                None => rows.push((labels, counts)),
            }
        }
    }
    let families = [
        ("toxiproxy_proxy_received_bytes_total", "Bytes read from the sender of a direction."),
        ("toxiproxy_proxy_sent_bytes_total", "Bytes handed to the receiver of a direction."),
    ];
    for (index, (name, help)) in families.into_iter().enumerate() {
        family(out, name, "counter", help);
        for (labels, counts) in &rows {
            line(out, &format!("{name}{labels} {}", counts[index]));
        }
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// What the original's process collector says, under its names. Its `go_` families have no counterpart here.
fn process(out: &mut String) {
    family(out, "deadstick_build_info", "gauge", "The version of this server.");
    line(out, &format!("deadstick_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    gauge(
        out,
        "process_cpu_seconds_total",
        "counter",
        "Total user and system CPU time spent in seconds.",
        cpu,
    );
    // A number that cannot be read is left out.
    if let Some(bytes) = memory("VmSize:") {
        gauge(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", bytes);
    }
    if let Some(bytes) = memory("VmRSS:") {
        gauge(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", bytes);
    }
    if let Some(started) = start_time() {
        gauge(
            out,
            "process_start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            started,
        );
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        gauge(out, "process_open_fds", "gauge", "Number of open file descriptors.", open.count() as f64);
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if let Some(limit) = limit {
        gauge(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.", limit as f64);
    }
}

fn gauge(out: &mut String, name: &str, kind: &str, help: &str, value: f64) {
    family(out, name, kind, help);
    // Writing to a string does not fail.
    if writeln!(out, "{name} {value}").is_err() {}
}

/// A line of the process's status, which counts in units of 1024 bytes.
fn memory(key: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0)
}

fn start_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let booted = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    let booted: f64 = booted.trim().parse().ok()?;
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, field 2, may itself hold spaces and parentheses; field 22 is the start, in hundredths since boot.
    let after_name = own.rsplit(')').next()?;
    let ticks: f64 = after_name.split_whitespace().nth(22 - 3)?.parse().ok()?;
    Some(booted + ticks / 100.0)
}
