//! The command-line client against the server: every verb, as it prints when nobody is watching.

use deadstick_proxy::ctl;

use crate::common::{Api, echo};

fn run(api: &Api, line: &str) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = format!("http://{}", api.address);
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let mut out = Vec::new();
    runtime.block_on(ctl::run(&arguments, Some(&url), None, &mut out)).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).expect("text"))
}

#[test]
fn every_verb() {
    let api = Api::start();
    let upstream = echo();
    let ok = |line: &str| run(&api, line).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(ok("list"), "");
    assert!(ok("toxic").contains("\n  slow_close "), "the table of types");
    assert_eq!(ok(&format!("create -l 127.0.0.1:0 -u {upstream} p/1")), "Created new proxy p/1\n");
    let listen = api.ok("GET", "/proxies/p%2F1", "")["listen"].as_str().expect("text").to_owned();
    assert_eq!(
        ok("toxic add -t latency -a latency=100 -a jitter=5 -u p/1"),
        "Added upstream latency toxic 'latency_upstream' on proxy 'p/1'\n"
    );
    assert_eq!(
        ok("t a --type=packet_loss -n lossy --tox 0.25 -a loss_rate=0.5 p/1"),
        "Added downstream packet_loss toxic 'lossy' on proxy 'p/1'\n"
    );
    assert_eq!(ok("toxic update -n lossy -a correlation=1 p/1"), "Updated toxic 'lossy' on proxy 'p/1'\n");
    assert_eq!(
        ok("inspect p/1"),
        "latency_upstream\ttype=latency\tstream=upstream\ttoxicity=1.00\tattributes=[\tjitter=5\tlatency=100\t]\n\
         lossy\ttype=packet_loss\tstream=downstream\ttoxicity=0.25\tattributes=[\tcorrelation=1\tloss_rate=0.5\t]\n"
    );
    assert_eq!(ok("toggle p/1"), "Proxy p/1 is now disabled\n");
    assert_eq!(ok("ls"), format!("p/1\t{listen}\t{upstream}\tdisabled\t2\n"));
    assert_eq!(ok("tog p/1"), "Proxy p/1 is now enabled\n");
    assert_eq!(ok("toxic remove -n lossy p/1"), "Removed toxic 'lossy' on proxy 'p/1'\n");
    assert_eq!(ok("delete p/1"), "Deleted proxy p/1\n");
}

#[test]
fn errors_say_what_is_wrong() {
    let api = Api::start();
    let error = |line: &str| run(&api, line).expect_err("it is wrong");
    assert_eq!(error("inspect none"), "HTTP 404: proxy not found");
    assert_eq!(error("create -u x:1 p"), "--listen is missing");
    assert_eq!(error("frobnicate"), "no such command: frobnicate");
    assert_eq!(error("list all"), "list takes no word, and here is all");
    assert_eq!(error("create"), "this takes the name of one proxy, and here are 0");
    assert_eq!(error("toxic add a b"), "this takes the name of one proxy, and here are 2");
    assert_eq!(error("toxic frob p"), "toxics are added, updated and removed");
    assert_eq!(error("list -x y"), "-x means nothing here");
    assert_eq!(error("toxic add -t latency -a five p"), "an attribute is KEY=VALUE, not five");
    assert!(error("--host http://127.0.0.1:1 list").starts_with("cannot reach http://127.0.0.1:1: "));
    assert_eq!(error("--host ftp://x list"), "ftp://x is neither http:// nor unix:");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_done() {
    let api = Api::start();
    let upstream = echo();
    let error = |line: &str| run(&api, line).expect_err("it is wrong");
    let create = format!("create -l 127.0.0.1:0 -u {upstream} p");
    assert_eq!(error(&format!("{create} -x y")), "-x means nothing here");
    assert_eq!(run(&api, "list").expect("a list"), "");
    run(&api, &create).expect("it is new");
    assert_eq!(error("delete p -x y"), "-x means nothing here");
    assert_eq!(error("toggle -x y p"), "-x means nothing here");
    assert_eq!(error("toxic add -t latency -x y p"), "-x means nothing here");
    let strange = "latency has no attribute delay; it has: jitter, latency";
    assert_eq!(error("toxic add -t latency -a delay=5 p"), strange);
    assert_eq!(error("toxic add -t noop -a delay=5 p"), "noop has no attribute delay; it has: none");
    assert_eq!(run(&api, "inspect p").expect("a proxy"), "");
    run(&api, "toxic add -t latency -n slow -a LATENCY=5 p").expect("the API takes any case");
    assert_eq!(
        error("toxic update -n slow -a delay=5 p"),
        "slow has no attribute delay; it has: jitter, latency"
    );
    assert_eq!(error("toxic update -n none -a delay=5 p"), "HTTP 404: toxic not found");
    assert_eq!(error("toxic remove -n slow -x y p"), "-x means nothing here");
    for share in ["nan", "-0.1", "1.5", "half"] {
        let wrong = format!("toxicity is a number from 0 to 1, not {share}");
        assert_eq!(error(&format!("toxic update -n slow --toxicity {share} p")), wrong);
    }
    assert!(error("toxic update -n slow -a latency=nan p").starts_with("HTTP 400: bad request body: "));
    run(&api, "toxic update -n slow -a latency=4e0 -a latency=5.0,jitter=0 p").expect("whole numbers");
    let toxics = run(&api, "inspect p").expect("a proxy");
    assert_eq!(
        toxics,
        "slow\ttype=latency\tstream=downstream\ttoxicity=1.00\tattributes=[\tjitter=0\tlatency=5\t]\n"
    );
    assert!(run(&api, "list").expect("a list").contains("enabled"), "it was not toggled");
}
