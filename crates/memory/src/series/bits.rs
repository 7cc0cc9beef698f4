//! Numbers of a few bits each, side by side in bytes.

/// Writes bits, the lowest first.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    held: u128,
    count: u32,
}

impl Writer {
    /// Appends the `width` lowest bits of `value`; at most 64.
    pub(super) fn put(&mut self, value: u64, width: u32) {
        let value = if width >= 64 { value } else { value & ((1 << width) - 1) };
        self.held |= u128::from(value) << self.count;
        self.count += width;
        while self.count >= 8 {
            self.bytes.push(self.held.to_le_bytes()[0]);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.held.to_le_bytes()[0]);
        }
        self.bytes
    }
}

/// Reads what a writer wrote.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: std::slice::Iter<'a, u8>,
    held: u128,
    count: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter(), held: 0, count: 0 }
    }

    /// The next `width` bits; none past the end.
    pub(super) fn take(&mut self, width: u32) -> Option<u64> {
        while self.count < width {
            self.held |= u128::from(*self.bytes.next()?) << self.count;
            self.count += 8;
        }
        let mask = if width >= 64 { u128::from(u64::MAX) } else { (1 << width) - 1 };
        let value = self.held & mask;
        self.held >>= width;
        self.count -= width;
        u64::try_from(value).ok()
    }
}

/// Small for small numbers of either sign.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// How many bits the number needs.
pub(super) fn width(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken_and_the_end_is_noticed() {
        let rows = [(5, 3), (0, 0), (u64::MAX, 64), (1, 1), (1 << 40, 41), (u64::MAX, 7)];
        let mut writer = Writer::default();
        rows.iter().for_each(|(value, width)| writer.put(*value, *width));
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        for (value, width) in rows {
            let kept = if width == 64 { value } else { value & ((1 << width) - 1) };
            assert_eq!(reader.take(width), Some(kept));
        }
        assert_eq!(reader.take(64), None);
        for value in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
