//! Databases that are spoken to over TLS: real servers with certificates of throw-away authorities, those that should be
//! refused, and handshakes that hang.

#[path = "../common/mod.rs"]
mod common;
mod mariadb;
mod postgres;
mod redis;
mod silence;

use common::certificates::Authority;
use common::{Bench, store};
use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::units::HumanDuration;
use deadstick_faults::{FaultError, Injected, Injector};

const LEASE: HumanDuration = HumanDuration::secs(60);

/// A certificate's name and address, as the tests call servers.
const HERE: &[&str] = &["127.0.0.1", "localhost"];

fn at(dsn: String) -> ResolvedTarget {
    ResolvedTarget { name: "server".to_owned(), dsn: Some(dsn), ..ResolvedTarget::default() }
}

/// A fault that lands. A machine so busy that the server is not heard in time has touched nothing, and tries again.
async fn landed(injector: &Injector, fault: Fault, dsn: &str) -> Injected {
    let mut tries = 0;
    let injected = loop {
        match injector.inject(fault.clone(), at(dsn.to_owned()), LEASE).await {
            Ok(injected) => break injected,
            Err(FaultError::Refused { what, .. }) if what.contains("did not answer within") && tries < 20 => {
                tries += 1;
            }
            Err(error) => panic!("{dsn}: {error}"),
        }
    };
    assert!(injected.proof.landed, "{dsn}: {:?}", injected.proof);
    injected
}

/// Each of these DSNs is refused with a word of the reason; nothing is recorded, and no password is told.
async fn refused(fault: &Fault, dsns: &[(String, &str)]) {
    let bench = Bench::new();
    let injector = bench.injector().await;
    for (dsn, word) in dsns {
        let result = injector.inject(fault.clone(), at(dsn.clone()), LEASE).await;
        let Err(error @ (FaultError::Refused { .. } | FaultError::Dsn(_))) = result else {
            panic!("{dsn}: {result:?}");
        };
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(word), "{dsn}: {shown}");
        assert!(!shown.contains("s3cret"), "{dsn}: {shown}");
    }
    assert!(store::faults(&bench.ledger()).is_empty());
    assert_eq!(injector.close().await, []);
}

/// A file as a parameter of a DSN.
fn file(authority: &Authority) -> String {
    authority.file().display().to_string()
}
