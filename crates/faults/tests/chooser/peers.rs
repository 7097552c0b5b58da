//! Packets chosen by their ends, way and device.

use std::time::Duration;

use deadstick_core::fault::{Flow, Refusal};
use deadstick_faults::kernel::{Layer, Linux, Networks, Table, TableEffect};

use crate::{SOON, Wide, flow};

#[test]
fn what_is_named_is_cut_and_nothing_else() {
    let wide = Wide::new();
    let all = [
        "10.9.0.2:7000",
        "10.9.0.2:7001",
        "10.9.0.3:7000",
        "10.9.1.2:7000",
        "10.9.2.2:7000",
        "[fd00::2]:7000",
        "[fd00::2]:7001",
        "[fd00::3]:7000",
    ];
    let cases: [(&str, &[&str]); 14] = [
        ("to=10.9.0.3", &["10.9.0.3:7000"]),
        ("to=10.9.0.2/31", &["10.9.0.2:7000", "10.9.0.2:7001", "10.9.0.3:7000"]),
        (
            "to=10.9.0.0/24,10.9.0.3,10.9.1.0/25",
            &["10.9.0.2:7000", "10.9.0.2:7001", "10.9.0.3:7000", "10.9.1.2:7000"],
        ),
        ("to=10.9.0.0/16:7001", &["10.9.0.2:7001"]),
        ("to=0.0.0.0/0:7001,10.9.0.0/24:7001", &["10.9.0.2:7001"]),
        ("to=10.9.0.2:7001,10.9.0.3", &["10.9.0.2:7001", "10.9.0.3:7000"]),
        ("to=fd00::3", &["[fd00::3]:7000"]),
        ("to=fd00::/126", &["[fd00::2]:7000", "[fd00::2]:7001", "[fd00::3]:7000"]),
        ("to=[fd00::/64]:7001", &["[fd00::2]:7001"]),
        ("to=[fd00::2]:7000,10.9.1.2:7000", &["[fd00::2]:7000", "10.9.1.2:7000"]),
        ("iface=dse", &["10.9.2.2:7000"]),
        ("to=10.9.0.0/16 from=10.9.2.1", &["10.9.2.2:7000"]),
        (
            "from=10.9.0.1,fd00::1",
            &[
                "10.9.0.2:7000",
                "10.9.0.2:7001",
                "10.9.0.3:7000",
                "10.9.1.2:7000",
                "[fd00::2]:7000",
                "[fd00::2]:7001",
                "[fd00::3]:7000",
            ],
        ),
        ("to=0.0.0.0/0 direction=ingress", &all[..5]),
    ];
    for (words, expected) in cases {
        let table = wide.cut(words);
        for to in all {
            assert_eq!(wide.passes(to), !expected.contains(&to), "{words}: {to}");
        }
        table.remove().expect("removed");
    }
    assert!(all.iter().all(|to| wide.passes(to)));
}

#[test]
fn one_way_is_one_way() {
    let wide = Wide::new();
    let pings = |table: &dyn Table| {
        (Linux.ping(&wide.network, [10, 9, 0, 2].into(), 84, SOON).expect("sent"), table.hits())
    };
    for (direction, hits) in [("egress", 1), ("ingress", 1), ("both", 1)] {
        let table = wide.cut(&format!("to=10.9.0.2 direction={direction}"));
        let (answered, counted) = pings(table.as_ref());
        assert_eq!((answered, counted.expect("counted")), (None, hits), "{direction}");
        // With a question that gets out, the peer's question gets in: what it receives is not cut.
        table.remove().expect("removed");
    }
    let other_way = |direction: &str| {
        let table = wide.cut(&format!("to=10.9.0.2 direction={direction}"));
        let server = wide.server();
        let answered = Linux.ping(&server, [10, 9, 0, 1].into(), 84, SOON).expect("sent");
        assert_eq!(answered, None, "{direction}");
        let counted = table.hits().expect("counted");
        table.remove().expect("removed");
        counted
    };
    // Its question is dropped, or our answer.
    assert_eq!((other_way("ingress"), other_way("egress")), (1, 1));
}

#[test]
fn two_tables_overlap_and_go_one_by_one() {
    let wide = Wide::new();
    let first = wide.cut("to=10.9.0.2");
    let second = wide.cut("to=10.9.0.0/24:7000");
    assert!(!wide.passes("10.9.0.2:7000") && !wide.passes("10.9.0.2:7001") && !wide.passes("10.9.0.3:7000"));
    first.remove().expect("removed");
    assert!(!wide.passes("10.9.0.2:7000") && wide.passes("10.9.0.2:7001") && !wide.passes("10.9.0.3:7000"));
    second.remove().expect("removed");
    assert!(wide.passes("10.9.0.2:7000") && wide.passes("10.9.0.3:7000"));
}

#[test]
fn a_table_rests_and_acts_again() {
    let wide = Wide::new();
    let mut table = wide.cut("to=10.9.0.2");
    assert!(!wide.passes("10.9.0.2:7000"));
    table.act_for(Duration::ZERO).expect("rests");
    assert!(wide.passes("10.9.0.2:7000"));
    table.act_for(Duration::from_secs(60)).expect("acts");
    assert!(!wide.passes("10.9.0.2:7000"));
    table.act_for(Duration::from_millis(200)).expect("acts for less");
    std::thread::sleep(Duration::from_millis(400));
    assert!(wide.passes("10.9.0.2:7000"), "it ended by itself");
}

#[test]
fn the_rules_of_others_stay_as_they_are() {
    let wide = Wide::new();
    wide.nft("add table inet others");
    wide.nft("add chain inet others guard { type filter hook output priority 0 ; policy accept ; }");
    wide.nft("add rule inet others guard tcp dport 9 counter packets 3 bytes 180 drop");
    wide.nft("add set inet others some { type ipv4_addr ; flags interval ; elements = { 10.0.0.0/8 } ; }");
    let before = wide.nft("list ruleset");
    assert!(before.contains("10.0.0.0/8"), "{before}");
    let effects = [
        TableEffect::Silence,
        TableEffect::Cut { flow: flow("to=10.9.0.0/24:7000,10.9.0.2,fd00::/64,10.7.0.0/16 from=10.9.0.1") },
        TableEffect::Lose { flow: flow(""), parts: 10 },
        TableEffect::Refuse { flow: flow("to=10.9.0.0/24"), with: Refusal::Reset },
        TableEffect::Oversize { flow: flow("to=10.9.0.0/24:80"), above: 1_000 },
        TableEffect::Hush { flow: flow("") },
        TableEffect::Cut { flow: Flow { user: Some(7), ..flow("to=10.9.0.0/24:80") } },
    ];
    for layer in [Layer::Device, Layer::Internet] {
        let tables: Vec<_> = effects.iter().map(|effect| wide.install(layer, effect.clone())).collect();
        let during = wide.nft("list ruleset");
        assert!(during.contains("deadstick-"), "{during}");
        for table in tables {
            table.remove().expect("removed");
        }
        assert_eq!(wide.nft("list ruleset"), before);
    }
}
