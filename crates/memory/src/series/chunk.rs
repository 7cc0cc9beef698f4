//! Points of one series in a few bytes, exactly: times as changes of their step, numbers as what they are.
//!
//! Most numbers that are measured were decimal fractions before they were floats. Where all are (a few exceptions aside),
//! they are kept as whole numbers (ALP: Afroozeh, Kuffó and Boncz, SIGMOD 2023), in blocks of 64 of just as many bits as
//! are needed, as differences where that is smaller. Others are kept by what changed in their bits (Gorilla: Pelkonen
//! and others, VLDB 2015). What is written is read back bit by bit before it is believed.

use super::bits::{Reader, Writer, unzigzag, width, zigzag};

/// Microseconds since 1970, and the number.
pub(crate) type Point = (i64, f64);

/// Version of the bytes.
const FORMAT: u64 = 1;
/// Numbers that share one width.
const BLOCK: usize = 64;
/// Decimal places that are tried.
const PLACES: u32 = 14;
/// Whole numbers beyond 2^53 are no longer exact.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

#[expect(clippy::cast_possible_wrap, reason = "0 to 18")]
fn ten(places: u32) -> f64 {
    10_f64.powi(places as i32)
}

/// Points, in order of time, as bytes.
pub(super) fn encode(points: &[Point]) -> Vec<u8> {
    let mut out = Writer::default();
    out.put(FORMAT, 4);
    out.put(u64::try_from(points.len()).unwrap_or(u64::MAX), 32);
    times(points, &mut out);
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    match decimal(&values) {
        Some(found) => {
            out.put(1, 1);
            put_decimal(&found, &mut out);
        }
        None => {
            out.put(0, 1);
            put_changed(&values, &mut out);
        }
    }
    out.finish()
}

/// The points of some bytes; none where they are not ours or cut off.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Point>> {
    let mut bits = Reader::new(bytes);
    if bits.take(4)? != FORMAT {
        return None;
    }
    let count = usize::try_from(bits.take(32)?).ok()?;
    // A point takes at least one bit in all but constant runs of a block: no size is believed before bytes are seen.
    if count > bytes.len().saturating_mul(8).saturating_mul(BLOCK) {
        return None;
    }
    let times = take_times(count, &mut bits)?;
    let values = if bits.take(1)? == 1 { take_decimal(count, &mut bits)? } else { take_changed(count, &mut bits)? };
    Some(times.into_iter().zip(values).collect())
}

/// The first time, a unit that divides all steps, then blocks of changes of the step.
fn times(points: &[Point], out: &mut Writer) {
    let first = points.first().map_or(0, |(at, _)| *at);
    out.put(first.cast_unsigned(), 64);
    let steps: Vec<i64> = points.windows(2).map(|pair| pair[1].0.wrapping_sub(pair[0].0)).collect();
    let unit = steps.iter().fold(0, |unit, step| gcd(unit, step.unsigned_abs())).max(1);
    out.put(unit, 64);
    let mut before = 0_i64;
    let changes: Vec<u64> = steps
        .iter()
        .map(|step| {
            let step = step / i64::try_from(unit).unwrap_or(i64::MAX);
            let change = step.wrapping_sub(before);
            before = step;
            zigzag(change)
        })
        .collect();
    put_blocks(&changes, out);
}

fn take_times(count: usize, bits: &mut Reader<'_>) -> Option<Vec<i64>> {
    let mut at = bits.take(64)?.cast_signed();
    let unit = bits.take(64)?.cast_signed();
    let changes = take_blocks(count.saturating_sub(1), bits)?;
    let mut step = 0_i64;
    let mut all = Vec::with_capacity(count);
    if count > 0 {
        all.push(at);
    }
    for change in changes {
        step = step.wrapping_add(unzigzag(change));
        at = at.wrapping_add(step.wrapping_mul(unit));
        all.push(at);
    }
    Some(all)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Per block of 64: the width in 7 bits, then the numbers.
fn put_blocks(numbers: &[u64], out: &mut Writer) {
    for block in numbers.chunks(BLOCK) {
        let wide = block.iter().map(|number| width(*number)).max().unwrap_or(0);
        out.put(u64::from(wide), 7);
        block.iter().for_each(|number| out.put(*number, wide));
    }
}

fn take_blocks(count: usize, bits: &mut Reader<'_>) -> Option<Vec<u64>> {
    let mut all = Vec::with_capacity(count.min(1 << 16));
    while all.len() < count {
        let wide = u32::try_from(bits.take(7)?).ok()?;
        for _ in 0..BLOCK.min(count - all.len()) {
            all.push(bits.take(wide)?);
        }
    }
    Some(all)
}

/// Numbers as whole numbers of the same count of decimal places, and those that are none.
struct Decimal {
    places: u32,
    whole: Vec<i64>,
    exceptions: Vec<(usize, f64)>,
}

#[expect(clippy::cast_possible_truncation, reason = "the bound is looked at first")]
fn whole(value: f64, places: u32) -> Option<i64> {
    let scaled = (value * ten(places)).round();
    if scaled.abs() > WHOLE_MAX {
        return None;
    }
    let whole = scaled as i64;
    (back(whole, places).to_bits() == value.to_bits()).then_some(whole)
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53 all are exact")]
fn back(whole: i64, places: u32) -> f64 {
    whole as f64 / ten(places)
}

/// The fewest places at which at most one in sixteen is an exception; none where there are no such.
fn decimal(values: &[f64]) -> Option<Decimal> {
    let sample: Vec<f64> = values.iter().step_by((values.len() / 64).max(1)).copied().collect();
    let fits = |places: &u32| {
        let odd = sample.iter().filter(|value| whole(**value, *places).is_none()).count();
        odd * 12 <= sample.len()
    };
    let places = (0..=PLACES).find(fits)?;
    let mut found = Decimal { places, whole: Vec::with_capacity(values.len()), exceptions: Vec::new() };
    let mut before = 0;
    for (place, value) in values.iter().enumerate() {
        match whole(*value, places) {
            Some(whole) => before = whole,
            // It stands as its neighbour, which costs least, and is put right afterwards.
            None => found.exceptions.push((place, *value)),
        }
        found.whole.push(before);
    }
    (found.exceptions.len() * 8 <= values.len()).then_some(found)
}

/// How a block of whole numbers is kept: above its least, or by differences.
fn put_decimal(found: &Decimal, out: &mut Writer) {
    out.put(u64::from(found.places), 5);
    let mut before = 0_i64;
    for block in found.whole.chunks(BLOCK) {
        let least = block.iter().copied().min().unwrap_or(0);
        let above: Vec<u64> = block.iter().map(|whole| whole.wrapping_sub(least).cast_unsigned()).collect();
        let mut last = before;
        let differences: Vec<u64> = block
            .iter()
            .map(|whole| {
                let difference = zigzag(whole.wrapping_sub(last));
                last = *whole;
                difference
            })
            .collect();
        let widest = |numbers: &[u64]| numbers.iter().map(|number| width(*number)).max().unwrap_or(0);
        let (above_width, difference_width) = (widest(&above), widest(&differences));
        let base = zigzag(least.wrapping_sub(before));
        let len = u32::try_from(block.len()).unwrap_or(u32::MAX);
        if difference_width * len < above_width * len + 7 + width(base) {
            out.put(1, 1);
            out.put(u64::from(difference_width), 7);
            differences.iter().for_each(|number| out.put(*number, difference_width));
        } else {
            out.put(0, 1);
            out.put(u64::from(above_width), 7);
            out.put(u64::from(width(base)), 7);
            out.put(base, width(base));
            above.iter().for_each(|number| out.put(*number, above_width));
        }
        before = last;
    }
    out.put(u64::try_from(found.exceptions.len()).unwrap_or(u64::MAX), 32);
    for (place, value) in &found.exceptions {
        out.put(u64::try_from(*place).unwrap_or(u64::MAX), 32);
        out.put(value.to_bits(), 64);
    }
}

fn take_decimal(count: usize, bits: &mut Reader<'_>) -> Option<Vec<f64>> {
    let places = u32::try_from(bits.take(5)?).ok()?;
    let mut all = Vec::with_capacity(count.min(1 << 16));
    let mut before = 0_i64;
    while all.len() < count {
        let differences = bits.take(1)? == 1;
        let wide = u32::try_from(bits.take(7)?).ok()?;
        let base = if differences {
            0
        } else {
            let base_width = u32::try_from(bits.take(7)?).ok()?;
            before.wrapping_add(unzigzag(bits.take(base_width)?))
        };
        for _ in 0..BLOCK.min(count - all.len()) {
            let number = bits.take(wide)?;
            before = if differences {
                before.wrapping_add(unzigzag(number))
            } else {
                base.wrapping_add(number.cast_signed())
            };
            all.push(back(before, places));
        }
    }
    for _ in 0..bits.take(32)? {
        let place = usize::try_from(bits.take(32)?).ok()?;
        *all.get_mut(place)? = f64::from_bits(bits.take(64)?);
    }
    Some(all)
}

/// Gorilla, section 4.1.2: the same bits, bits within the last window, or a new window.
fn put_changed(values: &[f64], out: &mut Writer) {
    let (mut before, mut window) = (0_u64, None::<(u32, u32)>);
    for value in values {
        let changed = value.to_bits() ^ before;
        before = value.to_bits();
        if changed == 0 {
            out.put(0, 1);
            continue;
        }
        out.put(1, 1);
        let (leading, trailing) = (changed.leading_zeros(), changed.trailing_zeros());
        match window.filter(|(l, t)| leading >= *l && trailing >= *t && leading + trailing < l + t + 12) {
            Some((l, t)) => {
                out.put(0, 1);
                out.put(changed >> t, 64 - l - t);
            }
            None => {
                out.put(1, 1);
                out.put(u64::from(leading), 6);
                out.put(u64::from(trailing), 6);
                out.put(changed >> trailing, 64 - leading - trailing);
                window = Some((leading, trailing));
            }
        }
    }
}

fn take_changed(count: usize, bits: &mut Reader<'_>) -> Option<Vec<f64>> {
    let (mut before, mut window) = (0_u64, None::<(u32, u32)>);
    let mut all = Vec::with_capacity(count.min(1 << 16));
    for _ in 0..count {
        if bits.take(1)? == 1 {
            if bits.take(1)? == 1 {
                window = Some((u32::try_from(bits.take(6)?).ok()?, u32::try_from(bits.take(6)?).ok()?));
            }
            let (leading, trailing) = window?;
            let wide = 64_u32.checked_sub(leading)?.checked_sub(trailing)?;
            before ^= bits.take(wide)?.checked_shl(trailing)?;
        }
        all.push(f64::from_bits(before));
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(points: &[Point]) -> usize {
        let bytes = encode(points);
        let read = decode(&bytes).expect("ours");
        let bits = |points: &[Point]| points.iter().map(|(at, value)| (*at, value.to_bits())).collect::<Vec<_>>();
        assert_eq!(bits(&read), bits(points));
        bytes.len()
    }

    #[test]
    fn quiet_decimals_take_a_byte_or_two_and_nothing_is_lost() {
        let second = 1_000_000;
        let quiet: Vec<Point> = (0..2_048_i64)
            .map(|n| (n * second, f64::from(i32::try_from(n % 7).expect("small")) / 100.0 + 20.0))
            .collect();
        assert!(same(&quiet) < 2_048, "{}", same(&quiet));
        let odd: Vec<Point> =
            (0..2_048_i64).map(|n| (n * second, if n % 50 == 0 { std::f64::consts::PI } else { 0.25 })).collect();
        assert!(same(&odd) < 2_048);
        let wild: Vec<Point> = [0.0, -0.0, f64::MIN_POSITIVE, f64::MAX, 1.0 / 3.0, -1e-300]
            .into_iter()
            .zip([5, 5, -9, i64::MAX, i64::MIN, 0])
            .map(|(v, t)| (t, v))
            .collect();
        same(&wild);
        same(&[]);
        same(&[(7, 1.5)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn whatever_is_written_is_read(points in prop::collection::vec((any::<i64>(), any::<f64>().prop_filter("finite", |x| x.is_finite())), 0..300)) {
            same(&points);
        }

        #[test]
        fn bytes_of_others_are_refused_or_read_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
