//! What the help of a kind says about databases: how their URLs ask for TLS.

use deadstick_core::fault::FaultKind;

const POSTGRES: &str = "\
  postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full&sslrootcert=FILE
    sslmode: disable, prefer (TLS where the server has it, unchecked; the
    default), require, verify-ca, verify-full. sslcert and sslkey: who we are.
";
const MYSQL: &str = "\
  mysql://USER@HOST:PORT/DATABASE?ssl-mode=VERIFY_IDENTITY&ssl-ca=FILE
    ssl-mode: DISABLED, PREFERRED (the default), REQUIRED, VERIFY_CA,
    VERIFY_IDENTITY. ssl-cert and ssl-key: who we are.
";
const REDIS: &str = "\
  rediss://USER@HOST:PORT/0?ssl_ca_certs=FILE
    Checks everything, but for ssl_check_hostname=false or, nothing,
    ssl_cert_reqs=none. ssl_certfile and ssl_keyfile: who we are. Without TLS:
    redis://
";

/// The forms of URLs for a kind that is for databases.
pub(super) fn forms(kind: FaultKind) -> Option<String> {
    let servers: &[&str] = match kind {
        FaultKind::Lock => &[POSTGRES, MYSQL],
        FaultKind::Pause => &[REDIS],
        FaultKind::IdleInTransaction
        | FaultKind::ExhaustConnections
        | FaultKind::PauseReplay
        | FaultKind::TerminateBackends => &[POSTGRES],
        _ => return None,
    };
    Some(format!("Database URLs with TLS (no FILE: whom this machine trusts):\n{}", servers.concat()))
}

#[cfg(test)]
mod tests {
    use deadstick_core::fault::catalogue::{self, Aim};

    use super::*;

    #[test]
    fn every_kind_for_databases_says_how_they_are_named_and_no_other() {
        for kind in catalogue::all() {
            assert_eq!(forms(kind.kind).is_some(), kind.aims.contains(&Aim::Dsn), "{}", kind.kind);
        }
    }
}
