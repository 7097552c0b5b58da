//! Words that somebody may have meant.

/// The nearest of some words, when it is near enough to be a slip of the finger.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(word.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A hint for an unknown word: "did you mean", or the words that would do.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "nothing is known here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_slips_and_far_ones_are_not() {
        assert_eq!(nearest("tpc", ["tcp", "routing"]), Some("tcp"));
        assert_eq!(nearest("elephant", ["tcp", "routing"]), None);
        assert_eq!(did_you_mean("elephant", ["tcp", "dns"]), "known here: tcp, dns");
        assert_eq!(did_you_mean("x", []), "nothing is known here");
    }
}
