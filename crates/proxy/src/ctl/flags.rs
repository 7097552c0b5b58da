//! The client's command line: flags and words apart.

use super::CtlError;

/// The flags of a command line, as they stand; each is taken by whoever it means something to.
pub(super) struct Flags(Vec<(String, Option<String>)>);

/// Flags and words apart. A flag that takes a value has it behind it or after an equals sign.
pub(super) fn split(arguments: &[String]) -> Result<(Flags, Vec<String>), CtlError> {
    let mut flags = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(flag) = argument.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
            words.push(argument.clone());
            continue;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        if let Some((flag, value)) = flag.split_once('=') {
            flags.push((flag.to_owned(), Some(value.to_owned())));
            continue;
        }
        // The same letters name an address of a new proxy and the stream of a new toxic.
        let toxic = matches!(words.first().map(String::as_str), Some("toxic" | "t"));
        let alone = toxic && matches!(flag, "upstream" | "u" | "downstream" | "d");
        let value = if alone {
            None
        } else {
            let value = rest.next().cloned();
            Some(value.ok_or_else(|| CtlError::Usage(format!("-{flag} needs a value")))?)
        };
        flags.push((flag.to_owned(), value));
    }
    Ok((Flags(flags), words))
}

impl Flags {
    /// All values of a flag, which is then used.
    pub(super) fn take(&mut self, names: &[&str]) -> Vec<String> {
        let taken = self.0.extract_if(.., |(name, value)| value.is_some() && names.contains(&name.as_str()));
        taken.filter_map(|(_, value)| value).collect()
    }

    pub(super) fn one(&mut self, names: &[&str]) -> Result<String, CtlError> {
        let missing = || CtlError::Usage(format!("--{} is missing", names[0]));
        self.take(names).pop().ok_or_else(missing)
    }

    pub(super) fn has(&mut self, names: &[&str]) -> bool {
        let before = self.0.len();
        self.0.retain(|(name, value)| value.is_some() || !names.contains(&name.as_str()));
        self.0.len() < before
    }

    pub(super) fn all_used(&self) -> Result<(), CtlError> {
        self.0.first().map_or(Ok(()), |(name, _)| Err(CtlError::Usage(format!("-{name} means nothing here"))))
    }
}
