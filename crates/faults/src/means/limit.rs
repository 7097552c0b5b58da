//! What a limit is in the files of a control group, in either version, and what the kernel counts there.

use std::path::{Path, PathBuf};

use deadstick_core::ledger::GroupValue;
use deadstick_core::units::{Cpus, Size};

use super::Site;
use crate::error::FaultError;
use crate::kernel::{Control, Kernel, KernelError};
use crate::process;

/// What is limited, and to how much.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Cpu(Cpus),
    Memory(Size),
}

impl Limit {
    pub(super) const fn control(self) -> Control {
        match self {
            Self::Cpu(_) => Control::Cpu,
            Self::Memory(_) => Control::Memory,
        }
    }

    /// What is written into which file, in this order, as the kernel gives it back.
    pub(crate) fn values(self, version: u8) -> Vec<(&'static str, String)> {
        match self {
            Self::Cpu(Cpus(thousandths)) => {
                // The kernel takes no quota below a millisecond, and no period above a second.
                let period: u64 = if thousandths >= 10 { 100_000 } else { 1_000_000 };
                let quota = u64::from(thousandths) * period / 1_000;
                if version == 2 {
                    vec![("cpu.max", format!("{quota} {period}"))]
                } else {
                    vec![("cpu.cfs_period_us", period.to_string()), ("cpu.cfs_quota_us", quota.to_string())]
                }
            }
            Self::Memory(Size(bytes)) => {
                // The kernel counts whole pages.
                let page = rustix::param::page_size() as u64;
                let bytes = (bytes / page * page).to_string();
                if version == 2 {
                    vec![("memory.max", bytes), ("memory.swap.max", "0".to_owned())]
                } else {
                    vec![("memory.limit_in_bytes", bytes.clone()), ("memory.memsw.limit_in_bytes", bytes)]
                }
            }
        }
    }

    /// Where the kernel has no such file, there is nothing to limit: swap is not counted.
    pub(super) fn is_optional(file: &str) -> bool {
        file.contains("swap") || file.contains("memsw")
    }

    /// How much a group has now, in the limit's own measure; none where it has as much as it wants.
    fn present(self, values: &[GroupValue]) -> Option<u64> {
        let before =
            |file: &str| values.iter().find(|value| value.file == file).map(|value| value.before.as_str());
        let share = |quota: &str, period: &str| {
            Some(quota.parse::<u64>().ok()?.saturating_mul(1_000) / period.parse::<u64>().ok()?.max(1))
        };
        match self {
            Self::Cpu(_) => match before("cpu.max") {
                Some(text) => text.split_once(' ').and_then(|(quota, period)| share(quota, period)),
                None => share(before("cpu.cfs_quota_us")?, before("cpu.cfs_period_us")?),
            },
            Self::Memory(_) => before("memory.max").or_else(|| before("memory.limit_in_bytes"))?.parse().ok(),
        }
    }

    const fn asked(self) -> u64 {
        match self {
            Self::Cpu(Cpus(thousandths)) => thousandths as u64,
            Self::Memory(Size(bytes)) => bytes,
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Self::Cpu(cpus) => format!("{cpus} processors"),
            Self::Memory(memory) => format!("{memory} of memory"),
        }
    }

    /// What has systemd switch the controller on for a unit, and otherwise leaves it as it is.
    pub(super) const fn unit_property(self) -> &'static str {
        match self {
            Self::Cpu(_) => "CPUWeight=100",
            Self::Memory(_) => "MemoryAccounting=yes",
        }
    }

    /// Where it is written, for people.
    pub(super) const fn files(self) -> &'static str {
        match self {
            Self::Cpu(_) => "cpu.max, or cpu.cfs_quota_us and its period",
            Self::Memory(_) => "memory.max without swap, or memory.limit_in_bytes with swap",
        }
    }
}

impl Limit {
    /// Refuses what leaves processes all that they can have now, in a group or in one above it.
    pub(super) async fn refuse_none(self, site: &Site, folder: &Path, version: u8) -> Result<(), FaultError> {
        let own = folder.to_owned();
        let tightest = site.blocking(move |kernel| self.held_already(kernel, &own, version)).await?;
        let what = match (tightest, self) {
            (Some(group), _) => {
                format!("control group {} has {} or less already", group.display(), self.words())
            }
            (None, Self::Cpu(Cpus(thousandths))) => match process::processors() {
                Some(all) if u64::from(thousandths) >= u64::from(all) * 1_000 => {
                    format!("{} are all that this machine has, or more: it has {all}", self.words())
                }
                _ => return Ok(()),
            },
            (None, Self::Memory(_)) => return Ok(()),
        };
        Err(FaultError::refused(what, "ask for less"))
    }

    /// The group at or above this one that has as little.
    fn held_already(
        self,
        kernel: &dyn Kernel,
        folder: &Path,
        version: u8,
    ) -> Result<Option<PathBuf>, KernelError> {
        for folder in folder.ancestors() {
            let mut values = Vec::new();
            for (file, ours) in self.values(version) {
                if let Some(before) = kernel.value(folder, file)? {
                    values.push(GroupValue { file: file.to_owned(), before, ours });
                }
            }
            if self.present(&values).is_some_and(|present| present <= self.asked()) {
                return Ok(Some(folder.to_owned()));
            }
        }
        Ok(None)
    }
}

/// Memory that belongs to no file, of either version's `memory.stat`.
pub(super) fn bound_memory(stat: &str) -> Option<u64> {
    let number = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    number("anon ").or_else(|| number("total_rss "))
}

/// What the kernel counts in a group, under the names of either version.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) periods: u64,
    pub(super) held_back: u64,
    pub(super) usage: u64,
}

pub(super) fn counters(site: &Site, folder: &Path) -> Result<Counters, KernelError> {
    let read = |file: &str| Ok::<_, KernelError>(site.kernel.value(folder, file)?.unwrap_or_default());
    let number = |text: &str, name: &str| -> u64 {
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
    };
    let (cpu, events) = (read("cpu.stat")?, read("memory.events")?);
    let first = |texts: [String; 2]| texts.iter().find_map(|text| text.trim().parse().ok()).unwrap_or(0);
    Ok(Counters {
        periods: number(&cpu, "nr_periods "),
        held_back: number(&cpu, "nr_throttled ")
            + number(&events, "max ")
            + read("memory.failcnt")?.trim().parse().unwrap_or(0),
        usage: first([read("memory.current")?, read("memory.usage_in_bytes")?]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_stay_within_what_the_kernel_takes() {
        let of = |thousandths, version| Limit::Cpu(Cpus(thousandths)).values(version);
        assert_eq!(of(1_500, 2), [("cpu.max", "150000 100000".to_owned())]);
        assert_eq!(of(1, 2), [("cpu.max", "1000 1000000".to_owned())]);
        let one = [("cpu.cfs_period_us", "100000".to_owned()), ("cpu.cfs_quota_us", "10000".to_owned())];
        assert_eq!(of(100, 1), one);
        assert_eq!(Limit::Memory(Size(70_000)).values(2)[0].1, "69632");
    }

    #[test]
    fn what_a_group_has_is_read_in_the_limits_own_measure() {
        let value = |file: &str, before: &str| GroupValue {
            file: file.to_owned(),
            before: before.to_owned(),
            ours: String::new(),
        };
        let cpu = Limit::Cpu(Cpus(100));
        assert_eq!(cpu.present(&[value("cpu.max", "max 100000")]), None);
        assert_eq!(cpu.present(&[value("cpu.max", "50000 100000")]), Some(500));
        let pair = [value("cpu.cfs_period_us", "100000"), value("cpu.cfs_quota_us", "-1")];
        assert_eq!(cpu.present(&pair), None);
        let memory = Limit::Memory(Size(1));
        assert_eq!(memory.present(&[value("memory.max", "max")]), None);
        assert_eq!(memory.present(&[value("memory.limit_in_bytes", "4096")]), Some(4_096));
    }
}
