//! The way to a database server: its address, and what is in the files that it names.
//!
//! Owns that both are read while this process still has all its privileges: keys are for certain users only, and a holder
//! keeps no privilege for them. Leaves connecting to who holds something.

use deadstick_core::dsn::DsnError;

use super::What;
use crate::database::address::Address;
use crate::database::postgres;

/// The way there.
pub(super) enum Way {
    /// What is held is on no server.
    Nowhere,
    /// To PostgreSQL.
    Postgres(Box<postgres::Address>),
    /// To any other server.
    Other(Box<Address>),
}

impl Way {
    /// The one that an order names.
    pub(super) fn of(what: &What) -> Result<Self, DsnError> {
        Ok(match what {
            What::Postgres { dsn, .. } | What::Crowd { dsn, .. } => {
                let mut address = postgres::address(dsn)?;
                address.read_files();
                Self::Postgres(Box::new(address))
            }
            What::Mysql { dsn, .. } | What::Redis { dsn, .. } => {
                let mut address = Address::read(dsn)?;
                address.read_files();
                Self::Other(Box::new(address))
            }
            _ => Self::Nowhere,
        })
    }

    /// Whether it is a socket in the file system, which may be for certain users only.
    pub(super) fn is_by_file(&self) -> bool {
        matches!(self, Self::Postgres(address) if postgres::is_by_file(address))
    }

    pub(super) fn postgres(self) -> Result<postgres::Address, String> {
        match self {
            Self::Postgres(address) => Ok(*address),
            _ => Err(LOST.to_owned()),
        }
    }

    pub(super) fn other(self) -> Result<Address, String> {
        match self {
            Self::Other(address) => Ok(*address),
            _ => Err(LOST.to_owned()),
        }
    }
}

const LOST: &str = "the order names no server of the kind that it needs; start the fault again";

#[cfg(test)]
mod tests {
    use deadstick_core::fault::{LockMode, RedisCommands};
    use deadstick_core::privilege::Privilege;

    use super::*;

    fn keeps(what: &What) -> Vec<Privilege> {
        what.privileges(&Way::of(what).expect("a DSN")).into_iter().collect()
    }

    #[test]
    fn a_holder_keeps_a_privilege_for_a_socket_and_for_no_word_in_a_name() {
        let mysql =
            |dsn: &str| What::Mysql { dsn: dsn.to_owned(), table: "t".to_owned(), mode: LockMode::Share };
        let redis = |dsn: &str| What::Redis { dsn: dsn.to_owned(), commands: RedisCommands::All };
        let postgres = |dsn: &str| What::Crowd { dsn: dsn.to_owned(), leave: 1 };
        for what in [
            mysql("mysql://ssl@tls/sslcert"),
            mysql("mysql://u@h/db?ssl-mode=REQUIRED"),
            redis("rediss://h?ssl_certfile=/c&ssl_keyfile=/k"),
            postgres("postgres://u@h/tls?sslmode=require&sslcert=/c&sslkey=/k"),
        ] {
            assert_eq!(keeps(&what), []);
        }
        assert_eq!(keeps(&postgres("postgres:///db?host=/run/postgresql")), [Privilege::DacOverride]);
        assert!(Way::of(&redis("rediss://h?ssl_ca_certs=")).is_err());
    }
}
