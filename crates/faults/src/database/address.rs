//! Where a server is and who comes: DSNs of the form `scheme://user:password@host:port/database`.
//!
//! Owns reading them and writing them without the password. PostgreSQL's own are read by its client library.

use tokio::net::TcpStream;

use super::Server;

/// A DSN, read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) server: Server,
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
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
        let (server, port) = match scheme {
            "mysql" | "mariadb" => (Server::Mysql, 3306),
            "redis" => (Server::Redis, 6379),
            "rediss" => return Err("the DSN asks for TLS, which is not spoken here".to_owned()),
            other => return Err(format!("the DSN's scheme {other:?} is not known")),
        };
        let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        if let Some(first) = parameters.split('&').next().filter(|first| !first.is_empty()) {
            let key = first.split('=').next().unwrap_or_default();
            return Err(format!("the DSN's parameter {key:?} is not known; none is"));
        }
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
        let password = password.filter(|password| !password.is_empty());
        Ok(Self {
            server,
            user: decoded(user)?,
            password,
            host: host.to_owned(),
            port,
            database: decoded(database)?,
        })
    }

    /// What the ledger may hold, and what people may see.
    pub(crate) fn without_password(&self) -> String {
        let user = if self.user.is_empty() { String::new() } else { format!("{}@", encoded(&self.user)) };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let database =
            if self.database.is_empty() { String::new() } else { format!("/{}", encoded(&self.database)) };
        format!("{}://{user}{host}:{}{database}", self.server.scheme(), self.port)
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        // Questions are short and wait for their answers.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Percent signs stand for bytes.
fn decoded(text: &str) -> Result<String, String> {
    let wrong =
        || "the DSN has a percent sign that stands for no character (write %25 for itself)".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().ok_or_else(wrong)?, rest.next().ok_or_else(wrong)?];
        let digits = std::str::from_utf8(&digits).map_err(|_| wrong())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
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
            ("rediss://:s3cret@h", "TLS"),
            ("mysql://u:s3cret@h/db?ssl-mode=required", "ssl-mode"),
            ("mysql://u:s3cret@h:x/db", "port"),
            ("mysql://u:s3cret%zz@h", "percent"),
            ("mysql://u:s3cret@/db", "host"),
            ("redis://u:s3cret@[::1", "bracket"),
        ] {
            let why = Address::read(dsn).expect_err(dsn);
            assert!(why.contains(word) && !why.contains("s3cret"), "{dsn}: {why}");
        }
    }
}
