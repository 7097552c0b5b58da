//! The bound on requests in flight. Alone in its binary, because it lowers the limit of open files.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use deadstick_core::probe::{HttpMethod, HttpProbe};
use deadstick_core::units::HumanDuration;
use deadstick_probes::{Load, Prober, Sample};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::mpsc::unbounded_channel;

#[tokio::test]
async fn beyond_the_bound_requests_fail_unsent() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).expect("a lower limit");
    // Nobody accepts: the kernel completes the connections into the backlog, and there they wait.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let url = format!("http://{}/", listener.local_addr().expect("a bound socket"));
    let probe = HttpProbe {
        url,
        method: HttpMethod::Get,
        body: None,
        timeout: HumanDuration::millis(400),
        expect: None,
    };
    let (sink, mut samples) = unbounded_channel();
    let load = Load { probe, every: Duration::from_millis(2), seed: 1, keys: None };
    let handle = load.start(&Prober::new().expect("a client"), Instant::now(), sink).expect("a load");
    let begun = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = handle.summary();
        assert!(now.sent - now.answered <= 48, "three quarters of the files: {now:?}");
        // Places become free when patience ends, and others take them.
        if now.shed > 50 && now.sent - now.shed > 2 * 48 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{now:?}");
    }
    let summary = handle.stop().await;
    assert_eq!((summary.ok, summary.sent), (0, summary.answered), "{summary:?}");
    let (mut unsent, mut silent) = (0, 0);
    while let Some(sample) = samples.recv().await {
        if let Sample::Answered { ok, detail, .. } = sample {
            assert!(!ok);
            match detail.as_str() {
                "not sent: 48 requests wait for an answer already" => unsent += 1,
                "no answer within 400ms" => silent += 1,
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!((unsent, silent), (summary.shed, summary.sent - summary.shed));
}
