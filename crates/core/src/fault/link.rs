//! How the packets of a link suffer.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Flow, choice};
use crate::units::{HumanDuration, Percent, Rate};

choice! {
    /// How delays are spread around their middle.
    Distribution {
        /// Every delay within the jitter is as likely.
        #[default]
        Uniform = "uniform",
        /// The bell curve; the jitter is its standard deviation.
        Normal = "normal",
        /// A heavy tail, as measured on busy networks.
        Pareto = "pareto",
        /// A quarter of the bell curve and three quarters of the heavy tail.
        ParetoNormal = "paretonormal",
    }
}

/// What happens to packets of one link; zero and none mean nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub struct Impairment {
    /// How late they are, on top of the link's own delay.
    pub delay: HumanDuration,
    /// Plus or minus this much.
    pub jitter: HumanDuration,
    /// How the delays are spread.
    pub distribution: Distribution,
    /// The share that is lost in the long run.
    pub loss: Percent,
    /// How many packets in a row are lost on average (Gilbert's model of bursts); each by itself when none is given.
    pub burst: Option<u32>,
    /// The share that comes twice.
    pub duplicate: Percent,
    /// The share with one bit flipped.
    pub corrupt: Percent,
    /// The share that is sent at once while the others are late.
    pub reorder: Percent,
    /// How many bytes a second pass.
    pub rate: Option<Rate>,
}

/// An impairment, and which packets it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Impaired {
    /// What they suffer.
    #[serde(flatten)]
    pub impairment: Impairment,
    /// Which packets.
    #[serde(flatten)]
    pub flow: Flow,
    /// A root queueing discipline that somebody set up on a device steps aside meanwhile, instead of the fault being refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
}

impl Impaired {
    /// Late packets, and nothing else.
    #[must_use]
    pub fn late(delay: HumanDuration, jitter: HumanDuration, flow: Flow) -> Self {
        Self { impairment: Impairment { delay, jitter, ..Impairment::default() }, flow, replace: false }
    }
}

impl Impairment {
    /// Whether it does nothing at all.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let Self { delay, jitter, distribution: _, loss, burst: _, duplicate, corrupt, reorder, rate } = self;
        let shares = [loss, duplicate, corrupt, reorder];
        delay.0.is_zero()
            && jitter.0.is_zero()
            && rate.is_none()
            && shares.iter().all(|share| share.ratio() == 0.0)
    }

    /// Gilbert's two chances, where losses come in bursts: that a burst begins behind a packet that passes, and that it
    /// ends with a packet that is lost.
    #[must_use]
    pub fn burst_chances(&self) -> Option<(f64, f64)> {
        let ends = 1.0 / f64::from(self.burst.filter(|burst| *burst > 0)?);
        let loss = self.loss.ratio();
        (loss < 1.0).then(|| (ends * loss / (1.0 - loss), ends))
    }

    /// What makes no sense about it, as the problem and what to write instead.
    #[must_use]
    pub fn nonsense(&self) -> Option<(String, &'static str)> {
        if self.is_nothing() {
            return Some((
                "an impairment that does nothing".to_owned(),
                "give a delay, a loss or another parameter above zero",
            ));
        }
        if self.jitter > self.delay {
            let what = format!("a delay of {} ± {}", self.delay, self.jitter);
            return Some((what, "the delay must be above zero and not below the jitter"));
        }
        if self.reorder.ratio() > 0.0 && self.delay.0.is_zero() {
            return Some((
                "reordering without a delay".to_owned(),
                "add a delay: the packets that are not reordered are late by it",
            ));
        }
        if self.burst == Some(0) || (self.burst.is_some() && self.loss.ratio() == 0.0) {
            return Some((
                "bursts of no loss".to_owned(),
                "give a loss above zero and a burst of one packet or more",
            ));
        }
        if self.burst.is_some() && self.loss.ratio() >= 1.0 {
            return Some(("bursts where everything is lost".to_owned(), "leave the burst out"));
        }
        if self.burst_chances().is_some_and(|(begins, _)| begins > 1.0) {
            return Some((
                format!("a loss of {} in bursts of {}", self.loss, self.burst.unwrap_or_default()),
                "a packet passes between two bursts: give longer bursts or less loss",
            ));
        }
        if self.distribution != Distribution::Uniform && self.jitter.0.is_zero() {
            return Some((format!("a {} distribution without jitter", self.distribution), "add a jitter"));
        }
        None
    }
}

impl fmt::Display for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        let mut say = |there: bool, key: &str, value: &dyn fmt::Display| {
            if there {
                words.push(format!("{key}={value}"));
            }
        };
        say(!self.delay.0.is_zero(), "delay", &self.delay);
        say(!self.jitter.0.is_zero(), "jitter", &self.jitter);
        say(self.distribution != Distribution::default(), "distribution", &self.distribution);
        say(self.loss.ratio() > 0.0, "loss", &self.loss);
        say(self.burst.is_some(), "burst", &self.burst.unwrap_or_default());
        say(self.duplicate.ratio() > 0.0, "duplicate", &self.duplicate);
        say(self.corrupt.ratio() > 0.0, "corrupt", &self.corrupt);
        say(self.reorder.ratio() > 0.0, "reorder", &self.reorder);
        if let Some(rate) = self.rate {
            say(true, "rate", &rate);
        }
        f.write_str(&words.join(","))
    }
}

/// Text that is no impairment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no impairment: {why}; write delay=3s,loss=1% with the parameters of `latency`, `loss` and the like"
)]
pub struct BadImpairment {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl FromStr for Impairment {
    type Err = BadImpairment;
    /// Reads `delay=3s,loss=1%`.
    fn from_str(text: &str) -> Result<Self, BadImpairment> {
        let bad = |why: String| BadImpairment { text: text.to_owned(), why };
        let mut result = Self::default();
        for pair in text.split(',') {
            let (key, value) = pair.split_once('=').ok_or_else(|| bad(format!("{pair:?} has no =")))?;
            let (key, value) = (key.trim(), value.trim());
            macro_rules! read {
                ($field:ident) => {
                    result.$field = value.parse().map_err(|error| bad(format!("{error}")))?
                };
            }
            match key {
                "delay" => read!(delay),
                "jitter" => read!(jitter),
                "loss" => read!(loss),
                "duplicate" => read!(duplicate),
                "corrupt" => read!(corrupt),
                "reorder" => read!(reorder),
                "rate" => result.rate = Some(value.parse().map_err(|error| bad(format!("{error}")))?),
                "burst" => {
                    let burst = value.parse().map_err(|_| bad(format!("burst={value} is no number")))?;
                    result.burst = Some(burst);
                }
                "distribution" => {
                    result.distribution = serde_json::from_value(value.into())
                        .map_err(|_| bad(format!("write one of {}", Distribution::WORDS.join(", "))))?;
                }
                _ => return Err(bad(format!("there is no `{key}`"))),
            }
        }
        match result.nonsense() {
            None => Ok(result),
            Some((what, hint)) => Err(bad(format!("{what}; {hint}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impairments_read_and_print() {
        for text in [
            "delay=3s",
            "delay=50ms,jitter=5ms,distribution=normal,loss=1%,burst=4,duplicate=2%,corrupt=0.1%,reorder=25%,rate=1MiB/s",
        ] {
            assert_eq!(text.parse::<Impairment>().map(|read| read.to_string()), Ok(text.to_owned()));
        }
        for bad in [
            "",
            "delay",
            "delay=x",
            "jitter=1s",
            "loss=0%",
            "reorder=5%",
            "burst=2",
            "colour=red",
            "loss=100%,burst=2",
            "loss=67%,burst=2",
            "delay=1s,distribution=normal",
        ] {
            assert!(bad.parse::<Impairment>().is_err(), "{bad}");
        }
    }
}
