//! DSNs of the form `scheme://user:password@host:port/database?parameters`.

use super::{DsnError, DsnProblem, Parameter, decoded};

/// A DSN in its parts, as they were written.
#[derive(Clone, Copy, Debug)]
pub struct Url<'a> {
    dsn: &'a str,
    /// Before `://`.
    pub scheme: &'a str,
    user: &'a str,
    password: Option<&'a str>,
    hosts: &'a str,
    database: &'a str,
    query: &'a str,
    mark: Option<&'a str>,
}

/// A host and its port, if one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// A name or an address, without brackets; as it was written.
    pub name: &'a str,
    /// Its port.
    pub port: Option<u16>,
}

impl<'a> Url<'a> {
    /// The parts; none where there is no scheme.
    #[must_use]
    pub fn split(dsn: &'a str) -> Option<Self> {
        let (scheme, rest) = dsn.split_once("://")?;
        let is_postgres = matches!(scheme, "postgres" | "postgresql");
        let end = match is_postgres {
            // libpq's rule: the first one, whatever is before it.
            true => rest.find('@'),
            // The last one before the parameters: a password that should have been encoded may have some itself.
            false => rest[..rest.find('?').unwrap_or(rest.len())].rfind('@'),
        };
        let (who, whereto) = end.map_or(("", rest), |at| (&rest[..at], &rest[at + 1..]));
        let (user, password) = match who.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (who, None),
        };
        let (whereto, mark) = match whereto.split_once('#') {
            Some((whereto, mark)) if !is_postgres => (whereto, Some(mark)),
            _ => (whereto, None),
        };
        let (address, query) = whereto.split_once('?').unwrap_or((whereto, &whereto[whereto.len()..]));
        let (hosts, database) = address.split_once('/').unwrap_or((address, &address[address.len()..]));
        Some(Self { dsn, scheme, user, password, hosts, database, query, mark })
    }

    /// Where a part begins, in bytes.
    fn byte(&self, part: &str) -> usize {
        let offset = part.as_ptr().addr().wrapping_sub(self.dsn.as_ptr().addr());
        if offset <= self.dsn.len() { offset } else { 0 }
    }

    /// That something is wrong with a part.
    fn wrong(&self, part: &str, problem: DsnProblem) -> DsnError {
        DsnError::at_byte(self.dsn, self.byte(part), problem)
    }

    fn decoded(&self, part: &str) -> Result<String, DsnError> {
        decoded(self.dsn, self.byte(part), part)
    }

    /// The user; empty if there is none.
    ///
    /// # Errors
    /// [`DsnProblem::Percent`].
    pub fn user(&self) -> Result<String, DsnError> {
        self.decoded(self.user)
    }

    /// The password, if there is one.
    ///
    /// # Errors
    /// [`DsnProblem::Percent`].
    pub fn password(&self) -> Result<Option<String>, DsnError> {
        let password = self.password.map(|password| self.decoded(password)).transpose()?;
        Ok(password.filter(|password| !password.is_empty()))
    }

    /// The database; empty if there is none.
    ///
    /// # Errors
    /// [`DsnProblem::Percent`].
    pub fn database(&self) -> Result<String, DsnError> {
        self.decoded(self.database)
    }

    /// What stands behind a `#`; only some schemes have it.
    ///
    /// # Errors
    /// [`DsnProblem::Mark`] for anything but the words that are allowed.
    pub fn mark(&self, allowed: &[&str]) -> Result<Option<&'a str>, DsnError> {
        match self.mark {
            Some(mark) if !allowed.contains(&mark) => {
                Err(DsnError::at_byte(self.dsn, self.byte(mark).saturating_sub(1), DsnProblem::Mark))
            }
            mark => Ok(mark),
        }
    }

    /// The one host.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn host(&self) -> Result<Host<'a>, DsnError> {
        let host = self.read_host(self.hosts)?;
        if host.name.is_empty() { Err(self.wrong(self.hosts, DsnProblem::NoHost)) } else { Ok(host) }
    }

    /// Hosts with commas in between, where a kind of server may have several, and none of them a name.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn hosts(&self) -> Result<Vec<Host<'a>>, DsnError> {
        self.hosts.split(',').map(|host| self.read_host(host)).collect()
    }

    fn read_host(&self, text: &'a str) -> Result<Host<'a>, DsnError> {
        let (name, behind) = match text.strip_prefix('[') {
            Some(six) => six.split_once(']').ok_or_else(|| self.wrong(text, DsnProblem::Bracket))?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match behind.strip_prefix(':') {
            None if behind.is_empty() => None,
            None => return Err(self.wrong(behind, DsnProblem::BehindAddress)),
            Some("") => None,
            Some(digits) => Some(digits.parse().map_err(|_| self.wrong(digits, DsnProblem::Port))?),
        };
        Ok(Host { name, port })
    }

    /// The parameters.
    ///
    /// # Errors
    /// [`DsnProblem::Percent`].
    pub fn parameters(&self) -> Result<Vec<Parameter<'a>>, DsnError> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|raw| {
                let (key, value) = raw.split_once('=').unwrap_or((raw, &raw[raw.len()..]));
                let value_byte = self.byte(value);
                Ok(Parameter {
                    key: self.decoded(key)?,
                    value: self.decoded(value)?,
                    raw,
                    // Before an `@` may stand a password that should have been encoded.
                    is_open: !self.dsn[value_byte..].contains('@'),
                    key_at: super::position(self.dsn, self.byte(key)),
                    value_at: super::position(self.dsn, value_byte),
                })
            })
            .collect()
    }

    /// The DSN up to its parameters.
    pub(crate) fn before_parameters(&self) -> &'a str {
        let end = self.byte(self.query);
        let before = &self.dsn[..end];
        before.strip_suffix('?').unwrap_or(before)
    }
}
