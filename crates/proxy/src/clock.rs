//! Time: the monotonic clock as a plain number, and an alarm that is exact below a millisecond.
//!
//! Stages never look here: they are handed a [`Time`] and name the [`Time`] they want to be woken at.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Sleep;

/// A moment: nanosecond-exact distance from the start of the monotonic clock. In tests of stages: any number.
pub type Time = Duration;

/// Longer than any connection lives; huge delays are cut to it so that arithmetic on [`Time`] never overflows.
pub const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// How long before its moment a precise alarm wakes its task, which then watches the clock: longer than it nearly ever takes
/// to wake.
const LEAD: Duration = Duration::from_micros(100);

/// What a plain alarm learns by at most, and at a time.
const MOST: Duration = Duration::from_micros(60);
const STEP: Duration = Duration::from_micros(2);

thread_local! {
    /// How much later than asked for timers nearly always wake this thread.
    static USUAL: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// What is usual after a timer was `late`, when `usual` was before: three times of four a timer is later.
fn learn(usual: Duration, late: Duration) -> Duration {
    if late > usual { (usual + STEP).min(MOST) } else { usual.saturating_sub(3 * STEP) }
}

/// The moment it is.
pub fn now() -> Time {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// `count` units of `unit`, none if negative, at most [`FOREVER`].
pub fn delay(count: i64, unit: Duration) -> Duration {
    let nanos = u128::from(count.max(0).unsigned_abs()) * unit.as_nanos();
    u64::try_from(nanos).map_or(FOREVER, |nanos| Duration::from_nanos(nanos).min(FOREVER))
}

/// Wakes one task at a given moment.
///
/// Backed by a timerfd because the runtime's own timer rounds up to whole milliseconds. The descriptor is created by
/// the first wait and armed again only when the moment changes. Without a descriptor to be had, the runtime's
/// timer serves: late by up to two milliseconds, but never stuck.
///
/// Waking a thread takes some tens of microseconds. A plain alarm sets its timer as much earlier as its thread is nearly always
/// late, and makes up for what little is left then by watching the clock. A precise one hits its moment within a microsecond or
/// so, and pays with processor time: it keeps its thread busy for up to a tenth of a millisecond before.
#[derive(Debug, Default)]
pub struct Alarm {
    precise: bool,
    timer: Option<AsyncFd<OwnedFd>>,
    armed: Option<Time>,
    /// Whether nobody has looked yet how late the timer was.
    learning: bool,
    /// The moment of a plain alarm, and how much before that its timer is set.
    aim: Option<(Time, Duration)>,
    /// The runtime's timer, while there is no descriptor.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// An alarm, precise if that is worth the processor time.
    pub fn new(precise: bool) -> Self {
        Self { precise, ..Self::default() }
    }

    /// Returns at `at` or soon after, at once if it has passed.
    pub async fn wait_until(&mut self, at: Time) {
        poll_fn(|context| self.poll_until(context, at)).await;
    }

    /// Ready at `at` or soon after; otherwise the task is woken in time.
    pub fn poll_until(&mut self, context: &mut Context<'_>, at: Time) -> Poll<()> {
        self.notice();
        let ahead = self.ahead(at);
        ready!(self.poll_woken(context, at.saturating_sub(ahead)));
        while now() < at {
            std::hint::spin_loop();
        }
        Poll::Ready(())
    }

    /// Learns how late the timer was, if it has just woken its task. For tasks that do what is due without asking here again.
    pub fn notice(&mut self) {
        if self.learning
            && let Some(late) = self.armed.and_then(|armed| now().checked_sub(armed))
        {
            USUAL.set(learn(USUAL.get(), late));
            self.learning = false;
        }
    }

    /// How much before `at` the timer is set, which stays the same for as long as `at` does. Only what is further away than that:
    /// between many moments close together the clock would be watched all the time.
    fn ahead(&mut self, at: Time) -> Duration {
        if self.precise {
            return LEAD;
        }
        if let Some((due, ahead)) = self.aim
            && due == at
        {
            return ahead;
        }
        let usual = USUAL.get();
        let ahead = if at.saturating_sub(usual) <= now() { Duration::ZERO } else { usual };
        self.aim = Some((at, ahead));
        ahead
    }

    fn poll_woken(&mut self, context: &mut Context<'_>, at: Time) -> Poll<()> {
        if at <= now() {
            return Poll::Ready(());
        }
        if let Err(_no_descriptor) = self.arm(at) {
            let sleep = self.sleep.insert(Box::pin(tokio::time::sleep(at.saturating_sub(now()))));
            return sleep.as_mut().poll(context);
        }
        self.sleep = None;
        let Some(timer) = &self.timer else { return Poll::Pending };
        loop {
            let Ok(mut fired) = ready!(timer.poll_read_ready(context)) else {
                // The runtime is shutting down: nothing will ever be due.
                return Poll::Pending;
            };
            if at <= now() {
                return Poll::Ready(());
            }
            // Woken for an earlier moment this alarm was once armed for.
            fired.clear_ready();
        }
    }

    fn arm(&mut self, at: Time) -> io::Result<()> {
        if self.armed == Some(at) && self.timer.is_some() {
            return Ok(());
        }
        if self.timer.is_none() {
            let fd =
                timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            #[expect(unsafe_code, reason = "the runtime wants a promise about the descriptor")]
            // SAFETY: the `AsyncFd` owns the descriptor, an `OwnedFd`, whose `AsRawFd` always names the same one, which is
            // closed only when it is dropped, after the `AsyncFd` has let go of it.
            let timer = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
            self.timer = Some(timer);
        }
        let Some(timer) = &self.timer else {
            return Ok(());
        };
        // A value of zero would disarm instead of firing at once.
        let at_least_one = at.max(Duration::from_nanos(1)).min(now() + FOREVER);
        let spec = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: i64::try_from(at_least_one.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(at_least_one.subsec_nanos()),
            },
        };
        timerfd_settime(timer.get_ref(), TimerfdTimerFlags::ABSTIME, &spec)?;
        self.armed = Some(at);
        self.learning = !self.precise;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_never_negative_and_never_overflow() {
        let ms = Duration::from_millis(1);
        assert_eq!(delay(-5, ms), Duration::ZERO);
        assert_eq!(delay(1_500, ms), Duration::from_millis(1_500));
        assert_eq!(delay(i64::MAX, ms), FOREVER);
        assert_eq!(delay(i64::MAX, Duration::from_micros(1)), FOREVER);
    }

    #[test]
    fn what_is_usual_is_learnt_and_outliers_do_not_count() {
        let after = |late: &[u64]| {
            (0..400).fold(Duration::ZERO, |usual, turn| {
                learn(usual, Duration::from_micros(late[turn % late.len()]))
            })
        };
        assert_eq!(after(&[0]), Duration::ZERO);
        let usual = after(&[30, 40, 50, 4_000]);
        assert!((20..=40).contains(&usual.as_micros()), "{usual:?}");
        assert_eq!(after(&[4_000]), MOST, "a thread that has other things to do");
    }

    #[tokio::test]
    async fn an_alarm_is_never_early_and_can_be_set_again() {
        let mut alarm = Alarm::default();
        for micros in [0, 200, 3_000, 700] {
            let at = now() + Duration::from_micros(micros);
            alarm.wait_until(at).await;
            assert!(now() >= at);
        }
        alarm.wait_until(now() - Duration::from_millis(1)).await;
    }

    #[tokio::test]
    async fn a_precise_alarm_wakes_ahead_of_its_moment_and_waits_for_it() {
        let mut alarm = Alarm::new(true);
        for micros in [3_000, 50, 700] {
            let before = alarm.armed;
            let at = now() + Duration::from_micros(micros);
            alarm.wait_until(at).await;
            assert!(now() >= at);
            // A moment so near is not worth a timer; this thread may also have been away for so long that none was set.
            assert!(alarm.armed == Some(at - LEAD) || alarm.armed == before);
        }
        let at = now() + Duration::from_secs(3_600);
        let waiting = tokio::time::timeout(Duration::from_millis(1), alarm.wait_until(at)).await;
        assert!(waiting.is_err(), "an hour has not passed");
        assert_eq!(alarm.armed, Some(at - LEAD));
    }
}
