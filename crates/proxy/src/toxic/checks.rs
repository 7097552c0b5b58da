//! Values that would leave a toxic without effect, or with another than was asked for. Only of the kinds that the original does
//! not have: its own take any number, as they always did.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::Kind;
use crate::json::Malformed;

const SHARE: RangeInclusive<f64> = 0.0..=1.0;

impl Kind {
    /// Refuses what no toxic of this kind can do.
    pub(super) fn check(&self) -> Result<(), Malformed> {
        match self {
            Self::Http(http) => {
                let status = http.status == 0 || (100..=999).contains(&http.status);
                must(status, "status", "0 or from 100 to 999", http.status)?;
                let path = http.path.is_empty() || http.path.starts_with(['/', '*']);
                must(path, "path", "empty or begins with /", format!("{:?}", http.path))?;
                let header = http.header.is_empty() || is_header(&http.header);
                must(header, "header", "empty or `Name: value`", format!("{:?}", http.header))
            }
            Self::Websocket(websocket) => {
                let code = (1_000..=4_999).contains(&websocket.code);
                must(code, "code", "from 1000 to 4999", websocket.code)
            }
            Self::Corrupt(corrupt) => share("rate", corrupt.rate),
            Self::Duplicate(duplicate) => share("share", duplicate.share),
            Self::Reorder(reorder) => share("share", reorder.share),
            _ => Ok(()),
        }
    }
}

fn must(holds: bool, field: &str, wanted: &'static str, found: impl Display) -> Result<(), Malformed> {
    if holds {
        return Ok(());
    }
    Err(Malformed::Value { found: found.to_string(), field: field.to_owned(), wanted })
}

fn share(field: &str, share: f64) -> Result<(), Malformed> {
    must(SHARE.contains(&share), field, "a share from 0 to 1", share)
}

/// Whether it is one line that a reader of HTTP takes for a header.
fn is_header(line: &str) -> bool {
    let Some((name, _)) = line.split_once(':') else { return false };
    let in_name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(in_name) && !line.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn merged(kind: &str, attributes: Value) -> Result<Kind, String> {
        let kind = Kind::named(kind).expect("a kind");
        kind.merged(attributes).map_err(|error| error.to_string())
    }

    #[test]
    fn what_would_do_nothing_or_break_the_reply_is_refused() {
        for (kind, wrong, why) in [
            ("http", json!({"status": 99}), "field status is 0 or from 100 to 999, not 99"),
            ("http", json!({"status": 1000}), "field status is 0 or from 100 to 999, not 1000"),
            ("http", json!({"path": "pay"}), "field path is empty or begins with /, not \"pay\""),
            ("http", json!({"header": "x"}), "field header is empty or `Name: value`, not \"x\""),
            ("http", json!({"header": ": x"}), "field header is empty or `Name: value`, not \": x\""),
            ("http", json!({"header": "A B: x"}), "field header is empty or `Name: value`, not \"A B: x\""),
            (
                "http",
                json!({"header": "A: b\r\nC: d"}),
                "field header is empty or `Name: value`, not \"A: b\\r\\nC: d\"",
            ),
            ("websocket", json!({"code": 999}), "field code is from 1000 to 4999, not 999"),
            (
                "websocket",
                json!({"death": "foo"}),
                "field death is one of refuse, close, cut or silence, not \"foo\"",
            ),
            ("corrupt", json!({"rate": 10}), "field rate is a share from 0 to 1, not 10"),
            ("duplicate", json!({"share": -0.1}), "field share is a share from 0 to 1, not -0.1"),
            ("reorder", json!({"share": 1.1}), "field share is a share from 0 to 1, not 1.1"),
        ] {
            assert_eq!(merged(kind, wrong), Err(why.to_owned()));
        }
        for (kind, right) in [
            ("http", json!({"status": 503, "path": "/pay", "header": "X-Why: it's, well: a test"})),
            ("http", json!({"status": 0, "path": "*", "header": "A:"})),
            ("websocket", json!({"code": 4999})),
            ("corrupt", json!({"rate": 1})),
        ] {
            assert!(merged(kind, right).is_ok());
        }
    }

    #[test]
    fn kinds_of_the_original_take_any_number() {
        assert!(merged("latency", json!({"latency": -5, "jitter": i64::MIN})).is_ok());
        assert!(merged("packet_loss", json!({"loss_rate": 7, "correlation": -1e300})).is_ok());
    }
}
