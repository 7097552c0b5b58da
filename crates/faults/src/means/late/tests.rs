//! The verdict about lateness on links that spread, by simulation.

use super::*;

/// Answers of a link, in microseconds, by chance that is the same in each run.
struct Link {
    state: u64,
    base: f64,
    even: f64,
    added: (f64, f64),
}

impl Link {
    fn even(&mut self, wide: f64) -> f64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0) * wide
    }

    fn answer(&mut self) -> Duration {
        let (delay, jitter) = self.added;
        let time = self.base + self.even(self.even) + delay + self.even(jitter);
        Duration::from_micros(time.max(0.0) as u64)
    }

    /// Whether it is called late, when it is by so much and when it is not.
    fn judged(&mut self, asked: (f64, f64), there: bool) -> (bool, usize) {
        let [delay, jitter] = [asked.0, asked.1].map(|time| Duration::from_micros(time as u64));
        self.added = (0.0, 0.0);
        let mut before: Vec<_> = (0..ROUND).map(|_| self.answer()).collect();
        before.sort();
        while before.len() < enough(&before, delay) {
            before.extend((0..ROUND).map(|_| self.answer()).collect::<Vec<_>>());
            before.sort();
        }
        let line = median(&before) + delay / 2;
        let lead = lead(before[before.len() - 1] - before[0], delay, jitter);
        if there {
            self.added = asked;
        }
        let (mut late, mut timely) = (0, 0);
        loop {
            for _ in 0..ROUND {
                if self.answer() >= line { late += 1 } else { timely += 1 }
            }
            if let Some(verdict) = verdict(late, timely, lead, false) {
                return (verdict, late + timely);
            }
        }
    }
}

/// Out of so many trials each way: how many go wrong, and how many answers the longest took.
fn trials(base: f64, even: f64, asked: (f64, f64)) -> (usize, usize, usize) {
    let mut link = Link { state: 7, base, even, added: (0.0, 0.0) };
    let (mut unseen, mut invented, mut most) = (0, 0, 0);
    for _ in 0..5_000 {
        let (landed, count) = link.judged(asked, true);
        unseen += usize::from(!landed);
        most = most.max(count);
        invented += usize::from(link.judged(asked, false).0);
    }
    (unseen, invented, most)
}

#[test]
fn a_steady_link_needs_three_answers() {
    assert_eq!(trials(400.0, 100.0, (10_000.0, 0.0)), (0, 0, ROUND));
    assert_eq!(trials(400.0, 100.0, (10_000.0, 2_000.0)), (0, 0, ROUND));
}

/// Fewer than five in a thousand, where a median of five goes wrong in one of eight.
#[test]
fn spreads_do_not_hide_a_delay_and_are_not_taken_for_one() {
    // Jitter as wide as the delay; on a link that has as much already; a small delay on a link of wide spread.
    for (base, even, asked) in [
        (400.0, 100.0, (10_000.0, 10_000.0)),
        (20_000.0, 10_000.0, (10_000.0, 10_000.0)),
        (20_000.0, 10_000.0, (10_000.0, 0.0)),
        (20_000.0, 10_000.0, (5_000.0, 0.0)),
    ] {
        let (unseen, invented, most) = trials(base, even, asked);
        assert!(unseen <= 25, "{unseen} of 5,000 not seen: {even} {asked:?}");
        assert!(invented <= 25, "{invented} of 5,000 invented: {even} {asked:?}");
        assert!(most <= MOST_VOTES, "{most} answers: {even} {asked:?}");
    }
}
