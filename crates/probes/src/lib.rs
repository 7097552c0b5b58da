//! Probes with three answers, and the open-loop load of deadstick.
//!
//! Owns the asking: [`Prober::ask`] turns a [`Probe`](deadstick_core::probe::Probe) into an
//! [`Observation`](deadstick_core::probe::Observation), and [`Load`] sends user requests on a schedule that no slow
//! answer can hold up. Leaves what is asked and what follows from the answers to the core, and filling `{{names}}`
//! to the caller.
//!
//! One rule decides every answer (design law 6). *Silence* is unknown: a timeout, no route, a name that does not
//! resolve, a lock that is still held, a certificate that cannot be checked, a question that cannot be judged. *A no* is unsatisfied: a refused or reset
//! connection, a wrong status, a server that says that it cannot serve.

mod failure;
mod http;
mod load;
mod prober;
mod process;
mod sql;
mod tcp;
mod verdict;

pub use load::{Keys, Load, LoadError, LoadHandle, Percentiles, Sample, Summary};
pub use prober::{Context, Prober, ProberError};
