//! The machine's clocks, the signals that end a process, and how a fault of one part ends all.
//!
//! Does not know the rooms.

use std::time::Duration;

use async_trait::async_trait;
use rustix::time::{ClockId, Timespec, clock_gettime};
use sinew_contract::{BootTime, Clock, Now, Timestamp};

/// CLOCK_REALTIME and CLOCK_BOOTTIME.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// The longest sleep in one piece: after it the wall clock is read again, so that a set clock is noticed.
const NAP_MAX: Duration = Duration::from_secs(30);

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Now {
        let wall = micros(clock_gettime(ClockId::Realtime));
        let boot = micros(clock_gettime(ClockId::Boottime));
        Now { wall: Timestamp(wall), boot: BootTime(u64::try_from(boot).unwrap_or(0)) }
    }

    async fn sleep_until(&self, until: Timestamp) {
        loop {
            let left = until.since(self.now().wall);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(NAP_MAX)).await;
        }
    }
}

fn micros(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
}

/// Waits for SIGINT or SIGTERM.
///
/// # Errors
/// Where the handler cannot be installed.
pub async fn asked_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// Chooses the cryptography of TLS for this process; a client of HTTP cannot be made before.
pub fn choose_tls() {
    // Only the first call of a process installs it; the others find it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Random bytes of the operating system, for ids and tokens; never for anything that a replay must repeat.
///
/// # Panics
/// Where the operating system has none: nothing here can be safe without them.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_does_not_go_back() {
        let (first, second) = (SystemClock.now(), SystemClock.now());
        assert!(second.boot >= first.boot);
        assert!(first.wall > Timestamp(1_700_000_000_000_000), "the wall clock counts microseconds since 1970");
    }
}
