//! Which guarded keys were touched lately, for conditional appends.
//!
//! Does not know batches or text: it holds keyed digests and the last entry that touched each. Bounded: what is older
//! than its floor it has forgotten, and says so.

use std::collections::{HashMap, VecDeque};

use sinew_contract::{Seq, Touch};

/// The last touches, oldest first.
#[derive(Debug)]
pub(crate) struct Window {
    last: HashMap<Touch, Seq>,
    order: VecDeque<(Seq, Touch)>,
    /// Everything after this is known.
    floor: Seq,
    max: usize,
}

/// Why a condition does not hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Moved {
    #[error("a key of this batch was touched by entry {by}, after entry {since} up to which the caller has read")]
    Touched { by: Seq, since: Seq },
    #[error("entry {since} is too long ago to tell whether a key was touched since; read on to entry {floor} at least")]
    Forgotten { since: Seq, floor: Seq },
}

impl Window {
    /// A window that knows everything after `floor` and remembers `max` touches.
    pub fn new(floor: Seq, max: usize) -> Self {
        Self { last: HashMap::new(), order: VecDeque::new(), floor, max }
    }

    /// Checks that none of these was touched after `since`.
    pub fn check<'a>(&self, mut touches: impl Iterator<Item = &'a Touch>, since: Seq) -> Result<(), Moved> {
        let Some(first) = touches.next() else { return Ok(()) };
        if since < self.floor {
            return Err(Moved::Forgotten { since, floor: self.floor });
        }
        let mut touched = std::iter::once(first).chain(touches).filter_map(|touch| self.last.get(touch));
        match touched.find(|by| **by > since) {
            Some(by) => Err(Moved::Touched { by: *by, since }),
            None => Ok(()),
        }
    }

    /// Remembers a touch; entries come in order.
    pub fn touch(&mut self, touch: Touch, by: Seq) {
        self.last.insert(touch, by);
        self.order.push_back((by, touch));
        while self.order.len() > self.max {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((by, touch)) = self.order.pop_front() else { return };
        self.floor = self.floor.max(by);
        if self.last.get(&touch) == Some(&by) {
            self.last.remove(&touch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_touched_from_untouched_from_forgotten() {
        let touch = |n| Touch([n; 16]);
        let mut window = Window::new(Seq(3), 2);
        let check = |window: &Window, n, since| window.check([touch(n)].iter(), Seq(since));
        assert_eq!(check(&window, 1, 3), Ok(()));
        assert_eq!(check(&window, 1, 2), Err(Moved::Forgotten { since: Seq(2), floor: Seq(3) }));
        assert_eq!(window.check([].iter(), Seq(0)), Ok(()), "who touches nothing conflicts with nothing");
        window.touch(touch(1), Seq(4));
        window.touch(touch(1), Seq(6));
        assert_eq!(check(&window, 1, 5), Err(Moved::Touched { by: Seq(6), since: Seq(5) }));
        assert_eq!((check(&window, 1, 6), check(&window, 2, 3)), (Ok(()), Ok(())));
        window.touch(touch(2), Seq(7));
        assert_eq!(
            check(&window, 1, 5),
            Err(Moved::Touched { by: Seq(6), since: Seq(5) }),
            "a later touch stays known"
        );
        assert_eq!(check(&window, 2, 3), Err(Moved::Forgotten { since: Seq(3), floor: Seq(4) }));
    }
}
