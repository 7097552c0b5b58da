//! `deadstick probe`: one probe by hand. Satisfied is exit 0; unsatisfied and unknown are both a no.

use deadstick_core::probe::{
    Answer as ProbeAnswer, HOW_TO_CONNECT, HttpExpectation, HttpMethod, HttpProbe, Probe, ProcessProbe,
    ProcessState, SqlExpectation, SqlProbe, TcpProbe,
};
use deadstick_core::units::HumanDuration;
use deadstick_probes::{Context as ProbeContext, Prober};

use crate::args;
use crate::context::Context;
use crate::exit::{Answer, DONE, Failure, NO};

/// Asks it.
pub(crate) fn run(context: &Context, args: args::Probe) -> Answer {
    let probe = match args {
        args::Probe::Http { url, post, status, body_contains, timeout } => {
            let method = if post { HttpMethod::Post } else { HttpMethod::Get };
            let expect = (status.is_some() || body_contains.is_some())
                .then_some(HttpExpectation { status, body_contains });
            Probe::Http(HttpProbe { url, method, body: None, timeout, expect })
        }
        args::Probe::Tcp { address, timeout } => Probe::Tcp(TcpProbe { address, timeout }),
        args::Probe::Sql { connect, query, equals, timeout } => {
            let sql = SqlProbe { connect, query, expect: equals.map(SqlExpectation::Equals), timeout };
            sql.check_connect().map_err(|error| Failure::usage(error).hint(HOW_TO_CONNECT))?;
            Probe::Sql(sql)
        }
        args::Probe::Process { pid } => Probe::Process(ProcessProbe {
            pid: Some(pid),
            lab: None,
            expect: ProcessState::Running,
            timeout: HumanDuration::secs(2),
        }),
    };
    let seen = context.runtime()?.block_on(async {
        let prober = Prober::new().map_err(Failure::internal)?;
        Ok::<_, Failure>(prober.ask(&probe, &ProbeContext::default()).await)
    })?;
    context.answer(&seen, || {
        let value = seen.value.as_ref().map(|value| format!(": {value}")).unwrap_or_default();
        format!("{}{value} ({}, {} ms)", seen.answer.word(), seen.detail, seen.took.as_millis())
    })?;
    Ok(if seen.answer == ProbeAnswer::Satisfied { DONE } else { NO })
}
