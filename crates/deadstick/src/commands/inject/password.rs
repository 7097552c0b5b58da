//! A database's password from the environment, so that it need not stand on a command line that everybody may read.

use deadstick_core::text::percent_encoded;

/// The variables that the servers' own programs take it from, by the schemes of their URLs.
const VARIABLES: [(&str, &str); 6] = [
    ("postgres", "PGPASSWORD"),
    ("postgresql", "PGPASSWORD"),
    ("mysql", "MYSQL_PWD"),
    ("mariadb", "MYSQL_PWD"),
    ("redis", "REDISCLI_AUTH"),
    ("rediss", "REDISCLI_AUTH"),
];

/// The URL with the password that a variable holds, unless it has one or is no URL of these.
pub(super) fn complete(dsn: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let Some((scheme, rest)) = dsn.split_once("://") else { return dsn.to_owned() };
    let name = VARIABLES.iter().find(|(known, _)| *known == scheme).map(|(_, name)| *name);
    let Some(password) = name.and_then(variable).filter(|password| !password.is_empty()) else {
        return dsn.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    // Redis has passwords without users; the others find nobody without one.
    let has_user = !user.is_empty() || scheme.starts_with("redis");
    if user.contains(':') || path.contains("password=") || !has_user {
        return dsn.to_owned();
    }
    format!("{scheme}://{user}:{}@{host}{path}", percent_encoded(&password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_from_where_the_servers_own_programs_take_it() {
        let set =
            |name: &str| (name == "PGPASSWORD" || name == "REDISCLI_AUTH").then(|| "s3:c@ret".to_owned());
        for (dsn, expected) in [
            ("postgres://app@h/shop", "postgres://app:s3%3Ac%40ret@h/shop"),
            ("postgres://app:own@h/shop", "postgres://app:own@h/shop"),
            ("postgres://h/shop?user=app&password=own", "postgres://h/shop?user=app&password=own"),
            ("postgres://h/shop", "postgres://h/shop"),
            ("redis://h:6379/0", "redis://:s3%3Ac%40ret@h:6379/0"),
            ("rediss://h#insecure", "rediss://:s3%3Ac%40ret@h#insecure"),
            ("postgres://app@h/shop?sslmode=require", "postgres://app:s3%3Ac%40ret@h/shop?sslmode=require"),
            ("mysql://app@h/shop", "mysql://app@h/shop"),
            ("host=h user=app", "host=h user=app"),
        ] {
            assert_eq!(complete(dsn, set), expected);
        }
        assert_eq!(complete("postgres://app@h/shop", |_| None), "postgres://app@h/shop");
    }
}
