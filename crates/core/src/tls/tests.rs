//! What is read from the words of each kind of server is written in the same words; what cannot be is refused.

use super::{Read, Roots, TlsMode, TlsSettings, mysql, postgres, redis};
use crate::dsn::{self, DsnError, Parameter, Url};

/// Reads the parameters of a URL, as one kind of server has them.
type Reader = fn(Vec<Parameter<'_>>) -> Result<Read<'_>, DsnError>;
/// Writes them.
type Writer = fn(&TlsSettings) -> Vec<(&'static str, String)>;

const MYSQL: (Reader, Writer) = (mysql::read, mysql::options);
const POSTGRES: (Reader, Writer) = (postgres::read, postgres::options);
const REDIS: (Reader, Writer) = (|all| redis::read(false, false, all), redis::options);
const REDISS: (Reader, Writer) = (|all| redis::read(true, false, all), redis::options);
const INSECURE: (Reader, Writer) = (|all| redis::read(true, true, all), redis::options);

fn read(reader: Reader, text: &str) -> Result<(TlsSettings, Vec<String>), DsnError> {
    let dsn = format!("any://u:s3cret@h/db?{text}");
    let parameters = Url::split(&dsn).expect("a URL").parameters()?;
    let (settings, others) = reader(parameters)?;
    Ok((settings, others.into_iter().map(|one| one.raw.to_owned()).collect()))
}

fn written(writer: Writer, settings: &TlsSettings) -> String {
    let pairs: Vec<_> = writer(settings).iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join("&")
}

#[test]
fn parameters_are_read_and_written() {
    use TlsMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
    let file = || Roots::File("/ca.pem".into());
    let machine = || Roots::System;
    for ((reader, writer), text, mode, roots, again) in [
        (MYSQL, "", Prefer, machine(), ""),
        (MYSQL, "ssl-mode=PREFERRED", Prefer, machine(), ""),
        (MYSQL, "ssl-mode=disabled", Disable, machine(), "ssl-mode=DISABLED"),
        (MYSQL, "ssl-mode=Required", Require, machine(), "ssl-mode=REQUIRED"),
        (MYSQL, "ssl-mode=VERIFY_CA", VerifyCa, machine(), "ssl-mode=VERIFY_CA"),
        (MYSQL, "ssl-ca=/ca.pem", VerifyCa, file(), "ssl-mode=VERIFY_CA&ssl-ca=/ca.pem"),
        (
            MYSQL,
            "ssl-ca=/ca.pem&ssl-mode=VERIFY_IDENTITY",
            VerifyFull,
            file(),
            "ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem",
        ),
        (POSTGRES, "", Prefer, machine(), ""),
        (POSTGRES, "sslmode=disable", Disable, machine(), "sslmode=disable"),
        (POSTGRES, "sslmode=verify-ca", VerifyCa, machine(), "sslmode=verify-ca"),
        (
            POSTGRES,
            "sslmode=require&sslrootcert=/ca.pem",
            VerifyCa,
            file(),
            "sslmode=verify-ca&sslrootcert=/ca.pem",
        ),
        (POSTGRES, "sslrootcert=system", VerifyFull, machine(), "sslmode=verify-full&sslrootcert=system"),
        (
            POSTGRES,
            "sslmode=require&sslcert=c&sslkey=k",
            Require,
            machine(),
            "sslmode=require&sslcert=c&sslkey=k",
        ),
        (REDIS, "", Disable, machine(), ""),
        (REDISS, "", VerifyFull, machine(), ""),
        (REDISS, "ssl_cert_reqs=required", VerifyFull, machine(), ""),
        (INSECURE, "", Require, machine(), "ssl_cert_reqs=none"),
        (REDISS, "ssl_cert_reqs=none", Require, machine(), "ssl_cert_reqs=none"),
        (REDISS, "ssl_ca_certs=/ca.pem", VerifyFull, file(), "ssl_ca_certs=/ca.pem"),
        (REDISS, "ssl_check_hostname=false", VerifyCa, machine(), "ssl_check_hostname=false"),
        (REDISS, "ssl_certfile=c&ssl_keyfile=k", VerifyFull, machine(), "ssl_certfile=c&ssl_keyfile=k"),
    ] {
        let (settings, others) = read(reader, text).expect(text);
        assert_eq!((settings.mode, &settings.roots, others.len()), (mode, &roots, 0), "{text}");
        assert_eq!(written(writer, &settings), again, "{text}");
        assert_eq!(read(reader, again).expect("ours").0, settings, "{text}");
    }
    let (settings, others) = read(MYSQL.0, "ssl-cert=c&ssl-key=k&a=b").expect("read");
    assert!(settings.identity.is_some() && settings.has_files() && others == ["a=b"]);
}

#[test]
fn what_cannot_be_or_would_change_nothing_is_refused() {
    for ((reader, _), text, word) in [
        (MYSQL, "ssl-mode=verify-full", "VERIFY_IDENTITY"),
        (MYSQL, "ssl-mode=REQUIRED&ssl-ca=ca.pem", "ssl-mode=VERIFY_IDENTITY"),
        (MYSQL, "ssl-ca=", "no file"),
        (MYSQL, "ssl-key=k", "ssl-cert"),
        (MYSQL, "ssl-mode=DISABLED&ssl-cert=c&ssl-key=k", "no TLS"),
        (
            POSTGRES,
            "sslmode=allow",
            "\"allow\", which is not known: write disable, prefer, require, verify-ca, verify-full",
        ),
        (POSTGRES, "sslmode=VERIFY-FULL", "not known"),
        (POSTGRES, "sslrootcert=ca.pem", "sslmode=verify-full"),
        (POSTGRES, "sslmode=prefer&sslrootcert=ca.pem", "sslmode=verify-full"),
        (POSTGRES, "sslmode=require&sslrootcert=system", "sslmode=verify-full"),
        (POSTGRES, "sslmode=verify-ca&sslrootcert=", "no file"),
        (POSTGRES, "sslmode=require&sslcert=c", "sslkey"),
        (POSTGRES, "sslmode=disable&sslcert=c&sslkey=k", "no TLS"),
        (POSTGRES, "sslcert=%zz&sslkey=k", "percent"),
        (REDIS, "ssl_ca_certs=ca.pem", "rediss://"),
        (REDISS, "ssl_cert_reqs=optional", "required, none"),
        (INSECURE, "ssl_cert_reqs=required", "none"),
        (INSECURE, "ssl_ca_certs=ca.pem", "ssl_cert_reqs=required"),
        (REDISS, "ssl_cert_reqs=none&ssl_check_hostname=true", "ssl_cert_reqs=required"),
        (REDISS, "ssl_check_hostname=no", "true, false"),
        (REDISS, "ssl_keyfile=k", "ssl_certfile"),
    ] {
        let why = read(reader, text).expect_err(text).to_string();
        assert!(why.contains(word), "{text}: {why}");
    }
    let plain = redis::read(false, true, Vec::new()).expect_err("no TLS").to_string();
    assert!(plain.contains("rediss://"), "{plain}");
}

#[test]
fn what_may_be_a_password_is_not_repeated() {
    // The question mark should have been encoded: what is behind it looks like parameters.
    let dsn = "mysql://u:p?ssl-mode=s3cret&x@h";
    let parameters = Url::split(dsn).expect("a URL").parameters().expect("readable");
    let why = mysql::read(parameters).expect_err("no such mode").to_string();
    assert!(!why.contains("s3cret") && why.contains("VERIFY_IDENTITY (character 22"), "{why}");
    let why = dsn::postgres::read("password=p sslmode=s3cret").expect_err("no such mode").to_string();
    assert!(!why.contains("s3cret"), "{why}");
}

#[test]
fn what_is_about_tls_is_taken_out() {
    use TlsMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
    let (machine, file) = (|| Roots::System, || Roots::File("/ca files/ca.pem".into()));
    for (dsn, rest, mode, roots) in [
        ("postgres://a:p%40@h/db", "postgres://a:p%40@h/db", Prefer, machine()),
        ("postgres://a:p?w@h/db?user=b", "postgres://a:p?w@h/db?user=b", Prefer, machine()),
        ("postgres://h/db?sslmode=disable", "postgres://h/db", Disable, machine()),
        (
            "postgres://h/db?user=b&sslmode=require&port=5",
            "postgres://h/db?user=b&port=5",
            Require,
            machine(),
        ),
        ("postgres://h?sslmode=require&sslrootcert=/ca%20files/ca.pem", "postgres://h", VerifyCa, file()),
        ("postgres://h?sslmode=verify-full&sslrootcert=system", "postgres://h", VerifyFull, machine()),
        (
            "host=h sslmode = verify-ca sslrootcert='/ca files/ca.pem' user=u",
            "host=h user=u",
            VerifyCa,
            file(),
        ),
        ("host=h password='sslmode=require '", "host=h password='sslmode=require '", Prefer, machine()),
        ("sslmode=verify-full", "", VerifyFull, machine()),
    ] {
        let settings = TlsSettings { mode, roots, identity: None };
        assert_eq!(dsn::postgres::read(dsn), Ok((rest.to_owned(), settings)), "{dsn}");
    }
}
