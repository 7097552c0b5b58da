//! Where a server is and who comes: DSNs of the form `scheme://user:password@host:port/database?parameters`.
//!
//! Owns reading them and writing them without the password, and the connection. What parameters about TLS mean is core's to
//! say. PostgreSQL's own DSNs are beside their client library.

use deadstick_core::text::{percent_decoded, percent_encoded};
use deadstick_core::tls::{TlsMode, TlsSettings, mysql, redis};
use deadstick_tls::{Client, Stream, TlsFailure};
use tokio::net::TcpStream;

use super::{Server, absolute};

/// A DSN, read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) server: Server,
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) tls: TlsSettings,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.without_password())
    }
}

impl Address {
    /// Reads a DSN. The error says what is wrong and repeats nothing that may be secret.
    pub(crate) fn read(dsn: &str) -> Result<Self, String> {
        let (scheme, rest) = dsn.split_once("://").ok_or("the DSN has no scheme such as redis://")?;
        let (server, port, secured) = match scheme {
            "mysql" | "mariadb" => (Server::Mysql, 3306, false),
            "redis" => (Server::Redis, 6379, false),
            "rediss" => (Server::Redis, 6379, true),
            other => return Err(format!("the DSN's scheme {other:?} is not known")),
        };
        let (rest, mark) = split_mark(rest);
        let insecure = match (server, mark) {
            (_, None) => false,
            (Server::Redis, Some("insecure")) => true,
            (_, Some(_)) => {
                return Err("the DSN has a # that means nothing here (write %23 for itself)".to_owned());
            }
        };
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (who, whereto) = address.rsplit_once('@').unwrap_or(("", address));
        let (user, password) = match who.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password)?)),
            None => (who, None),
        };
        let (place, database) = whereto.split_once('/').unwrap_or((whereto, ""));
        let (host, digits) = match place.strip_prefix('[') {
            Some(six) => six.split_once(']').ok_or("the DSN's IPv6 address has no closing bracket")?,
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        let port = match digits.strip_prefix(':') {
            Some(digits) => digits.parse().map_err(|_| format!("the DSN's port {digits:?} is no port"))?,
            None if digits.is_empty() => port,
            None => return Err("the DSN has something between its address and its port".to_owned()),
        };
        if host.is_empty() {
            return Err("the DSN names no host".to_owned());
        }
        let parameters = parameters(query)?;
        let read = match server {
            Server::Redis => redis::read(secured, insecure, parameters),
            _ => mysql::read(parameters),
        };
        let (tls, others) = read.map_err(|error| error.to_string())?;
        if let Some((key, _)) = others.first() {
            return Err(format!("the DSN's parameter {key:?} is not known"));
        }
        Ok(Self {
            server,
            user: decoded(user)?,
            password: password.filter(|password| !password.is_empty()),
            host: host.to_owned(),
            port,
            database: decoded(database)?,
            tls: absolute(tls)?,
        })
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
        let client = Client::new(&self.tls)?;
        Ok(Stream::Secret(Box::new(client.secure(&self.host, stream).await?)))
    }
}

/// What is behind a `#`; one before the host is part of a password.
fn split_mark(rest: &str) -> (&str, Option<&str>) {
    let host = rest.rfind('@').map_or(0, |at| at + 1);
    match rest[host..].find('#') {
        Some(at) => (&rest[..host + at], Some(&rest[host + at + 1..])),
        None => (rest, None),
    }
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(key)?, decoded(value)?))
        })
        .collect()
}

/// Percent signs stand for bytes.
fn decoded(text: &str) -> Result<String, String> {
    percent_decoded(text).ok_or_else(|| {
        "the DSN has a percent sign that stands for no character (write %25 for itself)".to_owned()
    })
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
            assert_eq!(again, Address { password: None, ..address });
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_without_the_secret() {
        for (dsn, word) in [
            ("redis://:s3cret@h#insecure", "rediss"),
            ("mysql://u:s3cret@h#insecure", "#"),
            ("mysql://u:s3cret@h/db?ssl-mode=all", "VERIFY_IDENTITY"),
            ("mysql://u:s3cret@h/db?ssl_mode=required", "ssl_mode"),
            ("mysql://u:s3cret@h:x/db", "port"),
            ("mysql://u:s3cret%zz@h", "percent"),
            ("mysql://u:s3cret@/db", "host"),
            ("redis://u:s3cret@[::1", "bracket"),
        ] {
            let why = Address::read(dsn).expect_err(dsn);
            assert!(why.contains(word) && !why.contains("s3cret"), "{dsn}: {why}");
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
