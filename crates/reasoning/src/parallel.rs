//! Work that keeps all processors busy for a while: learning, and texts through layers. Blocks until it is done.
//!
//! Does not know what the work is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Does the jobs `0..jobs` on as many threads as there are processors; results in the order of the jobs.
pub(crate) fn in_parallel<T: Send>(jobs: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(jobs);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= jobs {
                        break;
                    }
                    let result = work(job);
                    done.lock().expect("no worker panics while it holds the list").push((job, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("all workers have ended");
    done.sort_by_key(|(job, _)| *job);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_jobs() {
        assert_eq!(in_parallel(100, |job| job * job), (0..100).map(|job| job * job).collect::<Vec<_>>());
        assert_eq!(in_parallel(0, |job| job), Vec::<usize>::new());
    }
}
