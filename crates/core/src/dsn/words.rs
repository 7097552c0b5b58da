//! DSNs in words and values: `host=h user='ann lee'`, as PostgreSQL's programs take them beside URLs.

use super::{DsnError, DsnProblem, Parameter, position};
use crate::text::end_of_value;

/// The parameters in words.
pub(crate) fn words(dsn: &str) -> Result<Vec<Parameter<'_>>, DsnError> {
    let wrong = |byte: usize, problem| Err(DsnError::at_byte(dsn, byte, problem));
    // Words behind a password may be more of it, where its quotes were forgotten.
    let is_open = !dsn.contains("password");
    let (mut all, mut at) = (Vec::new(), 0);
    loop {
        let begin = at + blanks(&dsn[at..]);
        if begin == dsn.len() {
            return Ok(all);
        }
        let Some(equals) = dsn[begin..].find('=') else { return wrong(begin, DsnProblem::NoValue) };
        let key = dsn[begin..begin + equals].trim_end();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return wrong(begin, DsnProblem::NoValue);
        }
        let behind = begin + equals + 1;
        let value = behind + blanks(&dsn[behind..]);
        let end = value + end_of_value(&dsn[value..]);
        let text = &dsn[value..end];
        if text.is_empty() {
            return wrong(begin, DsnProblem::NoValue);
        }
        let Some(unquoted) = unquoted(text) else { return wrong(value, DsnProblem::Quote) };
        all.push(Parameter {
            key: key.to_owned(),
            value: unquoted,
            raw: &dsn[begin..end],
            is_open,
            key_at: position(dsn, begin),
            value_at: position(dsn, value),
        });
        at = end;
    }
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// A value without its quotes and backslashes; none where a quote does not end.
fn unquoted(value: &str) -> Option<String> {
    let (inner, quoted) = value.strip_prefix('\'').map_or((value, false), |inner| (inner, true));
    let (mut out, mut chars) = (String::new(), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '\'' if quoted => return Some(out),
            c => out.push(c),
        }
    }
    (!quoted).then_some(out)
}
