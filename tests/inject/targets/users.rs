//! `--user`: whose sockets are meant, by name and by number.

use super::client::Client;
use super::packets::Two;
use crate::Host;
use crate::stage::Link;

/// The words that run a shell line in a network as a user.
fn as_user(link: &Link, user: &str) -> Vec<String> {
    let mut words = link.entered();
    let own = ["setpriv", &format!("--reuid={user}"), "--regid=65534", "--clear-groups", "sh", "-c"];
    words.extend(own.map(str::to_owned));
    words
}

fn one_of_two(user: &str, other: &str, kinds: impl FnOnce(&Two<'_>)) {
    let (host, link) = (Host::new(), Link::new());
    let before = link.snapshot();
    let hurt = Client::start(host.place.path(), "hurt", &as_user(&link, user));
    let other = Client::start(host.place.path(), "other", &as_user(&link, other));
    let within = link.entered();
    kinds(&Two { host: &host, within: &within, aim: ["--user", user], hurt: &hurt, other: &other });
    drop((hurt, other));
    assert_eq!(link.snapshot(), before);
    host.is_clean("at the end");
}

#[test]
fn by_name_every_kind_hurts_one_user_of_two() {
    one_of_two("nobody", "61234", |two| {
        two.every_kind();
    });
}

#[test]
fn by_number_one_user_of_two_is_hurt() {
    one_of_two("61234", "nobody", |two| two.silent("partition"));
}

#[test]
fn connections_made_later_count_unless_the_fault_is_about_established_ones() {
    let (host, link) = (Host::new(), Link::new());
    let within = link.entered();
    let old = Client::start(host.place.path(), "old", &as_user(&link, "nobody"));
    let root = Client::start(host.place.path(), "root", &as_user(&link, "root"));
    let two = Two { host: &host, within: &within, aim: ["--user", "nobody"], hurt: &old, other: &root };
    two.begin(&["half-open"]);
    let word = old.say();
    let new = Client::start(host.place.path(), "new", &as_user(&link, "nobody"));
    assert!(new.is_heard() && !old.heard(&word), "what is new passes");
    two.end();
    two.begin(&["partition"]);
    let word = new.say();
    assert!(root.is_heard() && !new.heard(&word), "what is new is meant, too");
    two.end();
    assert!(old.is_heard() && new.is_heard());
    drop((old, new, root));
    host.is_clean("at the end");
}

#[test]
fn a_user_nobody_has_is_told_so() {
    let host = Host::new();
    let ran = host.inject(&["partition", "--user", "no-such-user", "--for", "3s"]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("no-such-user") && ran.err.contains("getent passwd"), "{}", ran.err);
    let ran = host.inject(&["partition", "--user", "61234", "--direction", "ingress", "--for", "3s"]);
    assert_eq!(ran.code, Some(7), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("egress"), "{}", ran.err);
}
