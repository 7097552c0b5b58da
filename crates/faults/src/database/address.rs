//! Where a server is and who comes: DSNs of the form `scheme://user:password@host:port/database?parameters`.
//!
//! Owns what `MySQL` and Redis make of them, writing them without the password, and the connection. Leaves their parts, and
//! what parameters about TLS mean, to core. PostgreSQL's own DSNs are beside their client library.

use deadstick_core::dsn::{DsnError, DsnProblem, Url};
use deadstick_core::text::percent_encoded;
use deadstick_core::tls::{TlsMode, TlsSettings, mysql, redis};
use deadstick_tls::{Client, Stream, TlsFailure};
use tokio::net::TcpStream;

use super::{Server, absolute};

/// The schemes of servers whose DSNs have this form and no other.
const SCHEMES: &[&str] = &["mysql", "mariadb", "redis", "rediss"];

/// A DSN, read.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) server: Server,
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) tls: TlsSettings,
    /// What is in the files that it names, where they were read beforehand.
    files: Option<Client>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.without_password())
    }
}

impl Address {
    /// Reads a DSN. The error says what is wrong and repeats nothing that may be secret.
    pub(crate) fn read(dsn: &str) -> Result<Self, DsnError> {
        let url = Url::split(dsn).ok_or_else(|| DsnError::whole(DsnProblem::NoScheme(SCHEMES)))?;
        let (server, port, secured) = match url.scheme {
            "mysql" | "mariadb" => (Server::Mysql, 3306, false),
            "redis" => (Server::Redis, 6379, false),
            "rediss" => (Server::Redis, 6379, true),
            _ => return Err(DsnError { problem: DsnProblem::Scheme(SCHEMES), at: Some(1) }),
        };
        let insecure = url.mark(if server == Server::Redis { &["insecure"] } else { &[] })?.is_some();
        let (password, host) = (url.password()?, url.host()?);
        let parameters = url.parameters()?;
        let (tls, others) = match server {
            Server::Redis => redis::read(secured, insecure, parameters)?,
            _ => mysql::read(parameters)?,
        };
        let known: &[_] = if server == Server::Redis { &redis::OPTIONS } else { &mysql::OPTIONS };
        if let Some(parameter) = others.first() {
            return Err(parameter.unknown(known));
        }
        Ok(Self {
            server,
            user: url.user()?,
            password,
            host: host.name.to_owned(),
            port: host.port.unwrap_or(port),
            database: url.database()?,
            tls: absolute(tls)?,
            files: None,
        })
    }

    /// Reads the files that it names once and for all, for whoever may not later. What cannot be read is said by the
    /// connections that need it.
    pub(crate) fn read_files(&mut self) {
        if self.tls.has_files() {
            self.files = Client::new(&self.tls).ok();
        }
    }

    /// What the ledger may hold, and what people may see.
    pub(crate) fn without_password(&self) -> String {
        let pairs: Vec<_> = self
            .tls_options()
            .into_iter()
            .map(|(key, value)| format!("{key}={}", percent_encoded(&value)))
            .collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        format!("{}{mark}{}", self.place(), pairs.join("&"))
    }

    /// The same without parameters.
    pub(crate) fn place(&self) -> String {
        let scheme = match (self.server, self.tls.mode) {
            (Server::Redis, mode) if mode != TlsMode::Disable => "rediss",
            (server, _) => server.scheme(),
        };
        let user =
            if self.user.is_empty() { String::new() } else { format!("{}@", percent_encoded(&self.user)) };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let database = if self.database.is_empty() {
            String::new()
        } else {
            format!("/{}", percent_encoded(&self.database))
        };
        format!("{scheme}://{user}{host}:{}{database}", self.port)
    }

    /// How this kind of server's own words ask for its TLS.
    pub(crate) fn tls_options(&self) -> Vec<(&'static str, String)> {
        match self.server {
            Server::Redis => redis::options(&self.tls),
            _ => mysql::options(&self.tls),
        }
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        // Questions are short and wait for their answers.
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Makes a connection one that nobody else can read.
    pub(crate) async fn secure(&self, stream: TcpStream) -> Result<Stream, TlsFailure> {
        let client = match &self.files {
            Some(client) => client.clone(),
            None => Client::new(&self.tls)?,
        };
        Ok(Stream::Secret(Box::new(client.secure(&self.host, stream).await?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dsns_are_read_and_written_without_their_passwords() {
        for (dsn, shown, password) in [
            ("mysql://ann:s3%40cret@h:3307/shop", "mysql://ann@h:3307/shop", Some("s3@cret")),
            ("mariadb://ann@h/my%20shop", "mysql://ann@h:3306/my%20shop", None),
            ("redis://:s3cret@[::1]:6380/0", "redis://[::1]:6380/0", Some("s3cret")),
            ("redis://h", "redis://h:6379", None),
            ("redis://:p#w@h", "redis://h:6379", Some("p#w")),
            ("rediss://:s3cret@h:1/0", "rediss://h:1/0", Some("s3cret")),
            ("rediss://:s3cret@h#insecure", "rediss://h:6379?ssl_cert_reqs=none", Some("s3cret")),
            ("rediss://h?ssl_ca_certs=/c%20a.pem", "rediss://h:6379?ssl_ca_certs=%2Fc%20a.pem", None),
            ("mysql://u@h/db?ssl-mode=required", "mysql://u@h:3306/db?ssl-mode=REQUIRED", None),
        ] {
            let address = Address::read(dsn).expect(dsn);
            assert_eq!(address.without_password(), shown);
            assert_eq!(format!("{address:?}"), shown);
            assert_eq!(address.password.as_deref(), password, "{dsn}");
            let again = Address::read(shown).expect(shown);
            assert_eq!((again.without_password().as_str(), again.password), (shown, None));
            assert_eq!(
                (again.tls, again.user, again.database),
                (address.tls, address.user, address.database)
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_without_the_secret() {
        for (dsn, word, at) in [
            ("redis://:s3cret@h#insecure", "rediss", None),
            ("mysql://u:s3cret@h#insecure", "#", Some(19)),
            ("mysql://u:s3cret@h/db?ssl-mode=all", "VERIFY_IDENTITY", Some(32)),
            ("mysql://u:s3cret@h/db?ssl_mode=required", "did you mean ssl-mode?", Some(23)),
            ("mysql://u:s3cret@h/db?ssl-mode=REQUIRED&wait=1", "not known", Some(41)),
            ("mysql://u:s3cret@h:x/db", "port", Some(20)),
            ("mysql://u:s3cret", "port", Some(11)),
            ("mysql://u:s3/cret@h:s3cret", "port", Some(21)),
            ("mysql://u:s3cret%zz@h", "percent", Some(17)),
            ("mysql://u:s3cret@/db", "host", Some(18)),
            ("redis://u:s3cret@[::1", "bracket", Some(18)),
            ("redis://u:s3cret@[::1]x", "between", Some(23)),
            ("s3cret", "redis://", None),
            ("s3cret://h", "redis://", Some(1)),
        ] {
            let error = Address::read(dsn).expect_err(dsn);
            let why = error.to_string();
            assert!(why.contains(word) && !why.contains("s3cret"), "{dsn}: {why}");
            assert_eq!(error.at, at, "{dsn}: {why}");
        }
    }

    #[test]
    fn files_are_found_from_whichever_folder() {
        let address = Address::read("mysql://u@h?ssl-ca=ca.pem").expect("a DSN");
        let folder = std::env::current_dir().expect("a folder");
        let ca = percent_encoded(&folder.join("ca.pem").display().to_string());
        assert_eq!(address.without_password(), format!("mysql://u@h:3306?ssl-mode=VERIFY_CA&ssl-ca={ca}"));
    }
}
