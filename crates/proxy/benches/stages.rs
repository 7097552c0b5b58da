//! What a chunk costs on its way through the stages, without sockets and without waiting.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use deadstick_proxy::chain::{Chain, Exchange, Side, Spec};
use deadstick_proxy::dice::Dice;
use deadstick_proxy::stage::{Chunk, Item, Step};
use deadstick_proxy::{Bandwidth, Corrupt, Kind, Latency, PacketLoss, Slicer, Stream};

const LEN: usize = 64 * 1024;

fn stages(criterion: &mut Criterion) {
    let kinds: [(&str, Vec<Kind>); 6] = [
        ("latency", vec![Latency::default().into()]),
        ("ten latencies", vec![Latency::default().into(); 10]),
        ("bandwidth", vec![Bandwidth { rate: i64::MAX }.into()]),
        ("slicer", vec![Slicer { average_size: 1_000, size_variation: 500, delay: 0 }.into()]),
        ("packet_loss", vec![PacketLoss { loss_rate: 0.1, correlation: 0.1 }.into()]),
        ("corrupt", vec![Corrupt { rate: 0.001 }.into()]),
    ];
    let mut group = criterion.benchmark_group("64 KiB through");
    group.throughput(Throughput::Bytes(LEN as u64));
    let data = Bytes::from(vec![7; LEN]);
    for (name, kinds) in kinds {
        let specs: Vec<Spec> = kinds
            .into_iter()
            .enumerate()
            .map(|(serial, kind)| Spec {
                serial: serial as u64,
                revision: 0,
                toxicity: 1.0,
                kind,
                wire: Arc::default(),
                hits: Arc::default(),
            })
            .collect();
        let side = Side { connection: Dice::new(1), stream: Stream::Downstream };
        let mut chain = Chain::new(side);
        chain.follow(&specs, &Exchange::default(), Duration::ZERO);
        let mut now = Duration::ZERO;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                now += Duration::from_millis(1);
                chain.offer(Item::Data(Chunk { data: data.clone(), at: now }), now);
                while let Step::Send(item) = chain.step(now) {
                    black_box(item);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
