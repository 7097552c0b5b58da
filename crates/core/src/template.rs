//! `{{name}}` in texts of playbooks and checklists.
//!
//! Owns finding and filling the placeholders; leaves what the names mean to the lab or the target list.

use std::collections::BTreeMap;

/// What the placeholders stand for.
pub type Variables = BTreeMap<String, String>;

/// A placeholder nothing was given for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing is known as {{{{{0}}}}}")]
pub struct Unbound(pub String);

/// The names used in a text, in order.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(name, _)| name.trim())
}

/// The text with every placeholder filled.
///
/// # Errors
/// The first placeholder that has no value.
pub fn fill(text: &str, variables: &Variables) -> Result<String, Unbound> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("{{") {
        let Some((name, after)) = tail.split_once("}}") else { break };
        let name = name.trim();
        filled.push_str(before);
        filled.push_str(variables.get(name).ok_or_else(|| Unbound(name.to_owned()))?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_or_named() {
        let known = Variables::from([("shop.url".to_owned(), "http://h".to_owned())]);
        assert_eq!(fill("{{shop.url}}/x {{ shop.url }}", &known), Ok("http://h/x http://h".to_owned()));
        assert_eq!(fill("{{db}}", &known), Err(Unbound("db".to_owned())));
        assert_eq!(fill("a {{ b", &known), Ok("a {{ b".to_owned()));
        assert_eq!(names("{{a}} {{ b }} {{c").collect::<Vec<_>>(), ["a", "b"]);
    }
}
