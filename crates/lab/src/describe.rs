//! What each practice system offers to playbooks: hosts, settings, commands, variables.
//!
//! Owns the lists and the checks against them; leaves acting on them to the two shops.

use std::collections::BTreeMap;

use deadstick_core::lab::{Command, LabDescription, Setting, Values};

use crate::{LabError, shop_postgres};

const ON_OFF: Values = Values::Words(&["on", "off"]);
const TRANSACTION: Values = Values::Words(&["per-batch", "whole-run"]);

/// The embedded shop: an SQLite file, everything on loopback, no root, nothing to install.
pub static SHOP: LabDescription = LabDescription {
    name: "shop",
    about: "A small shop on an SQLite file: a web front and a nightly report job, on this machine's loopback",
    hosts: &["front", "job"],
    settings: &[
        Setting {
            key: "job.transaction",
            default: "per-batch",
            values: TRANSACTION,
            about: "Whether the report holds the write lock batch by batch or for its whole run; from the next run on",
        },
        Setting {
            key: "job.run-time",
            default: "2s",
            values: Values::Duration,
            about: "How long one report takes; from the next run on",
        },
        Setting {
            key: "job.batches",
            default: "20",
            values: Values::Number { least: 1, most: 10_000 },
            about: "In how many batches the report works; from the next run on",
        },
        Setting {
            key: "front.lock-wait",
            default: "250ms",
            values: Values::Duration,
            about: "How long a checkout waits for the write lock before it answers 503; 0s waits for ever",
        },
        Setting {
            key: "front.bulkhead",
            default: "on",
            values: ON_OFF,
            about: "Whether checkouts may use at most half of the workers, so that the catalogue always has some",
        },
        Setting {
            key: "front.workers",
            default: "4",
            values: Values::Number { least: 1, most: 64 },
            about: "How many requests the front works on at a time",
        },
    ],
    commands: &[Command { name: "job", about: "Start the nightly report on host job", options: &[] }],
    variables: &["shop.url", "db.file", "job.pid"],
};

/// The shop on PostgreSQL: a primary and a streaming replica, each host in its own network namespace.
pub static SHOP_POSTGRES: LabDescription = LabDescription {
    name: "shop-postgres",
    about: "The shop on a PostgreSQL primary and replica, each host in a network namespace of its own",
    hosts: &["front", "job", "db", "replica"],
    settings: &[
        Setting {
            key: "job.database",
            default: "replica",
            values: Values::Words(&["replica", "primary"]),
            about: "Which server the report reads from; from the next run on",
        },
        Setting {
            key: "job.transaction",
            default: "per-batch",
            values: TRANSACTION,
            about: "Whether the report reads in one transaction per batch or in one around the whole run; from the next run on",
        },
        Setting {
            key: "job.run-time",
            default: "60s",
            values: Values::Duration,
            about: "How long one report takes; from the next run on",
        },
        Setting {
            key: "job.batches",
            default: "600",
            values: Values::Number { least: 1, most: 100_000 },
            about: "In how many batches the report reads; from the next run on",
        },
        Setting {
            key: "postgres.tcp_keepalives_idle",
            default: "1s",
            values: Values::Duration,
            about: "Silence after which the servers ask whether a client is still there; whole seconds, 0s for the system's two hours",
        },
        Setting {
            key: "postgres.tcp_keepalives_interval",
            default: "1s",
            values: Values::Duration,
            about: "Time between two such questions; whole seconds, 0s for the system's 75 seconds",
        },
        Setting {
            key: "postgres.tcp_keepalives_count",
            default: "3",
            values: Values::Number { least: 0, most: 100 },
            about: "Unanswered questions after which a client counts as dead; 0 for the system's 9",
        },
        Setting {
            key: "postgres.tcp_user_timeout",
            default: "3s",
            values: Values::Duration,
            about: "How long sent data may stay unacknowledged before a client counts as dead; 0s for the system's default",
        },
        Setting {
            key: "postgres.idle_in_transaction_session_timeout",
            default: "0s",
            values: Values::Duration,
            about: "How long a session may sit idle inside a transaction before the servers end it; 0s for ever",
        },
        Setting {
            key: "front.statement-timeout",
            default: "0s",
            values: Values::Duration,
            about: "How long one statement of the front may take before the primary cancels it; 0s for ever",
        },
    ],
    commands: &[
        Command { name: "job", about: "Start the nightly report on host job", options: &[] },
        Command {
            name: "migrate",
            about: "Add a column to table orders, from host front",
            options: &[
                Setting {
                    key: "lock-timeout",
                    default: "1s",
                    values: Values::Duration,
                    about: "How long to wait for the table lock before giving up for now; 0s waits for ever",
                },
                Setting {
                    key: "retry-after",
                    default: "20s",
                    values: Values::Duration,
                    about: "How long to stay away before the next try",
                },
                Setting {
                    key: "tries",
                    default: "10",
                    values: Values::Number { least: 1, most: 1000 },
                    about: "How often to try before giving up for good",
                },
            ],
        },
    ],
    variables: &["shop.url", "db.primary", "db.replica", "job.address", "job.pid", "job.backend"],
};

/// Every practice system.
pub static ALL: [&LabDescription; 2] = [&SHOP, &SHOP_POSTGRES];

/// A practice system by its name, as in `lab: shop`.
#[must_use]
pub fn describe(name: &str) -> Option<&'static LabDescription> {
    ALL.into_iter().find(|lab| lab.name == name)
}

/// Whether this machine has the programs that a practice system is made of. Starts nothing.
///
/// # Errors
/// [`LabError::Missing`] names the package.
pub fn examine(lab: &LabDescription) -> Result<(), LabError> {
    if lab.name == SHOP_POSTGRES.name { shop_postgres::programs::find().map(drop) } else { Ok(()) }
}

fn keys(settings: &[Setting]) -> Vec<String> {
    settings.iter().map(|s| s.key.to_owned()).collect()
}

fn admit(setting: &Setting, value: &str) -> Result<(), LabError> {
    if setting.values.admits(value) {
        Ok(())
    } else {
        let expected = setting.values.describe();
        Err(LabError::BadValue { key: setting.key.to_owned(), value: value.to_owned(), expected })
    }
}

/// Whether this lab has that setting and it can take that value.
pub(crate) fn check_setting(lab: &LabDescription, key: &str, value: &str) -> Result<(), LabError> {
    let setting = lab.setting(key).ok_or_else(|| LabError::UnknownSetting {
        lab: lab.name.to_owned(),
        key: key.to_owned(),
        known: keys(lab.settings),
    })?;
    admit(setting, value)
}

/// The options of a command, with defaults filled in.
pub(crate) fn check_command(
    lab: &LabDescription,
    name: &str,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, LabError> {
    let command = lab.command(name).ok_or_else(|| LabError::UnknownCommand {
        lab: lab.name.to_owned(),
        command: name.to_owned(),
        known: lab.commands.iter().map(|c| c.name.to_owned()).collect(),
    })?;
    let mut options: BTreeMap<String, String> =
        command.options.iter().map(|o| (o.key.to_owned(), o.default.to_owned())).collect();
    for (key, value) in given {
        let option =
            command.options.iter().find(|o| o.key == key).ok_or_else(|| LabError::UnknownOption {
                command: name.to_owned(),
                option: key.clone(),
                known: keys(command.options),
            })?;
        admit(option, value)?;
        options.insert(key.clone(), value.clone());
    }
    Ok(options)
}

/// Whether this lab has that host.
pub(crate) fn check_host(lab: &LabDescription, host: &str) -> Result<(), LabError> {
    if lab.hosts.contains(&host) {
        return Ok(());
    }
    let known = lab.hosts.iter().map(|&h| h.to_owned()).collect();
    Err(LabError::UnknownHost { lab: lab.name.to_owned(), host: host.to_owned(), known })
}

/// Every setting at its default.
pub(crate) fn defaults(lab: &LabDescription) -> BTreeMap<String, String> {
    lab.settings.iter().map(|s| (s.key.to_owned(), s.default.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_admitted() {
        for lab in ALL {
            for setting in lab.settings.iter().chain(lab.commands.iter().flat_map(|c| c.options)) {
                assert!(setting.values.admits(setting.default), "{} {}", lab.name, setting.key);
            }
            assert_eq!(describe(lab.name), Some(lab));
        }
        assert_eq!(describe("shed"), None);
    }

    #[test]
    fn refusals_name_what_there_is() {
        let unknown = check_setting(&SHOP, "front.worker", "4").expect_err("there is no such setting");
        assert!(unknown.to_string().contains("front.workers"), "{unknown}");
        let bad = check_setting(&SHOP, "front.workers", "0").expect_err("no front without a worker");
        assert!(bad.to_string().contains("1 to 64"), "{bad}");
        let option = BTreeMap::from([("lock-timout".to_owned(), "1s".to_owned())]);
        let unknown = check_command(&SHOP_POSTGRES, "migrate", &option).expect_err("there is no such option");
        assert!(unknown.to_string().contains("lock-timeout"), "{unknown}");
        assert!(check_host(&SHOP, "db").is_err());
        let filled = check_command(&SHOP_POSTGRES, "migrate", &BTreeMap::new()).expect("all have defaults");
        assert_eq!(filled.get("retry-after").map(String::as_str), Some("20s"));
    }
}
