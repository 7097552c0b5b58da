//! The same database servers, with nobody who may speak to them but over TLS.

use super::databases::{Commands, Postgres, Tables};
use crate::common::certificates::Authority;
use crate::common::mariadb::Mariadb;
use crate::common::matrix::World;
use crate::common::redis::Redis;
use crate::common::server::Server;

/// What a server's DSN says about TLS, and the authority whose files it names; nothing without TLS.
#[derive(Default)]
pub(crate) struct Secrecy {
    pub(crate) parameters: String,
    pub(crate) authority: Option<Authority>,
}

impl Secrecy {
    fn new(parameters: &str, authority: Authority) -> Self {
        let parameters = parameters.replace("FILE", &authority.file().display().to_string());
        Self { parameters, authority: Some(authority) }
    }
}

const HERE: &[&str] = &["127.0.0.1"];

pub(crate) fn postgres(words: &'static str) -> Option<Box<dyn World>> {
    let authority = Authority::new();
    let server = Server::secret(&authority, &authority.sign("postgres", HERE))?;
    let secrecy = Secrecy::new("?sslmode=verify-full&sslrootcert=FILE", authority);
    Some(Postgres::with_orders(server, secrecy, words))
}

pub(crate) fn mariadb(words: &'static str) -> Option<Box<dyn World>> {
    let authority = Authority::new();
    let server = Mariadb::secret(&authority, &authority.sign("nobody", HERE))?;
    let secrecy = Secrecy::new("?ssl-mode=VERIFY_IDENTITY&ssl-ca=FILE", authority);
    Some(Box::new(Tables(server, secrecy, words)))
}

pub(crate) fn redis(words: &'static str) -> Option<Box<dyn World>> {
    let authority = Authority::new();
    let ours = authority.sign("nobody", &["ann"]);
    let server = Redis::secret(&authority, &authority.sign("nobody", HERE), &ours)?;
    let (certificate, key) = (ours.certificate.display(), ours.key.display());
    let parameters = format!("?ssl_ca_certs=FILE&ssl_certfile={certificate}&ssl_keyfile={key}");
    Some(Commands::with_a_key(server, Secrecy::new(&parameters, authority), words))
}
