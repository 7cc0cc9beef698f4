//! What is believed of what was seen: the one place where sightings become a verdict.
//!
//! The rule, measured on 226 photographs and 13 pictures without a code (any symbology, see the tests of this crate):
//!
//! | symbology | its own check | believed when |
//! |---|---|---|
//! | QR, Data Matrix, PDF417 | Reed-Solomon | one pass sees it |
//! | Code 128 | modulo 103 | both passes see it, or one on 3 lines |
//! | EAN-13, UPC-A | modulo 10, parity | both passes see it, or one on 3 lines |
//! | EAN-8, UPC-E, Code 39, ITF | weak or none | both passes see it, each on 3 lines |
//!
//! A value with a quarter or less of the weight of another one that lies in the same place is a misreading of that code (a line across
//! half of it), not a second code. Two values that stand: `conflict`. None: `unread`.
//! Does not look at pixels.

use sinew_contract::{Claim, ReadVerdict};

use crate::barcode::{ENGINE, Pass, Sighting};
use crate::format::Format;

/// Lines on which one pass alone must agree; on two, wrong values still occur among the photographs, on three none.
const LINES_MIN: u32 = 3;

/// What one sighting of a matrix code weighs against lines across a linear one: its error correction covers every module.
const MATRIX_WEIGHT: u32 = 50;

/// All that speaks for one value.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The text of the code.
    pub value: String,
    /// The symbology.
    pub format: Format,
    /// What the plain pass saw.
    plain: Option<Sighting>,
    /// What the processed pass saw.
    processed: Option<Sighting>,
    /// Says that another code in the same place explains it.
    misread: bool,
}

impl Evidence {
    /// Agreement of checks, 0 to 1000: 900 and more needs both passes.
    pub fn confidence_permille(&self) -> u16 {
        let lines = self.count(Pass::Plain) + self.count(Pass::Processed);
        let both = self.plain.is_some() && self.processed.is_some();
        let strict = !self.is_lax();
        match (self.is_believed(), both) {
            (true, true) if strict && (lines >= 2 * LINES_MIN || !self.format.is_linear()) => 1000,
            (true, true) if strict => 950,
            (true, true) => 900,
            (true, false) => 800,
            (false, _) if self.misread => 50,
            (false, _) => 100 + u16::try_from(lines.min(8)).unwrap_or(8) * 25,
        }
    }

    /// Says whether the checks suffice to act on it.
    pub fn is_believed(&self) -> bool {
        let (plain, processed) = (self.count(Pass::Plain), self.count(Pass::Processed));
        if self.misread {
            return false;
        }
        if !self.format.is_linear() {
            return plain + processed > 0;
        }
        if self.is_lax() {
            return plain >= LINES_MIN && processed >= LINES_MIN;
        }
        (plain > 0 && processed > 0) || plain.max(processed) >= LINES_MIN
    }

    /// Says whether both passes agree on a value that is believed: harder looking would add nothing.
    pub fn is_confirmed(&self) -> bool {
        self.is_believed() && self.plain.is_some() && self.processed.is_some()
    }

    /// The claims, one for each pass that saw it.
    pub fn claims(&self) -> impl Iterator<Item = Claim> + '_ {
        self.sightings().map(|s| self.claim(s))
    }

    fn claim(&self, sighting: &Sighting) -> Claim {
        Claim {
            value: self.value.clone(),
            format: self.format.name().to_owned(),
            confidence_permille: self.confidence_permille(),
            engine: format!("{ENGINE} {}", sighting.pass.name()),
            quad: sighting.quad.clone(),
        }
    }

    fn sightings(&self) -> impl Iterator<Item = &Sighting> {
        self.plain.iter().chain(&self.processed)
    }

    fn count(&self, pass: Pass) -> u32 {
        self.sightings().filter(|s| s.pass == pass).map(|s| s.count).sum()
    }

    fn weight(&self) -> u32 {
        let lines = self.count(Pass::Plain) + self.count(Pass::Processed);
        if self.format.is_linear() { lines } else { lines * MATRIX_WEIGHT }
    }

    const fn is_lax(&self) -> bool {
        matches!(self.format, Format::Ean8 | Format::UpcE | Format::Code39 | Format::Itf)
    }

    /// Says whether it must be explained before another value is acted on: any trace of a code with a good check.
    fn stands(&self) -> bool {
        self.is_believed() || (!self.misread && !self.is_lax())
    }

    /// The same number in another symbology is the same code: a GTIN-12 is a GTIN-13 with a leading zero.
    fn key(&self) -> (bool, String) {
        match self.format {
            Format::UpcA => (true, format!("0{}", self.value)),
            Format::Ean13 => (true, self.value.clone()),
            _ => (false, self.value.clone()),
        }
    }

    fn add(&mut self, sighting: &Sighting) {
        let slot = match sighting.pass {
            Pass::Plain => &mut self.plain,
            Pass::Processed => &mut self.processed,
        };
        // A second look at the same picture is no new evidence: the better one counts.
        if slot.as_ref().is_none_or(|known| known.count < sighting.count) {
            *slot = Some(sighting.clone());
        }
    }

    fn bounds(&self) -> Option<Bounds> {
        Bounds::around(self.sightings().flat_map(|s| s.quad.iter().copied()))
    }
}

/// Gathers sightings by value, the best supported first, and marks what another code explains.
pub fn weigh(seen: &[Sighting]) -> Vec<Evidence> {
    let mut all: Vec<Evidence> = Vec::new();
    for sighting in seen {
        let known = all.iter_mut().find(|e| e.value == sighting.value && e.format == sighting.format);
        if let Some(evidence) = known {
            evidence.add(sighting);
            continue;
        }
        let (value, format) = (sighting.value.clone(), sighting.format);
        let mut evidence = Evidence { value, format, plain: None, processed: None, misread: false };
        evidence.add(sighting);
        all.push(evidence);
    }
    all.sort_by_key(|e| std::cmp::Reverse(e.weight()));
    mark_misreadings(&mut all);
    all.sort_by_key(|e| std::cmp::Reverse(e.confidence_permille()));
    all
}

fn mark_misreadings(all: &mut [Evidence]) {
    for at in 1..all.len() {
        let (heavier, rest) = all.split_at_mut(at);
        let Some(light) = rest.first_mut() else { return };
        let explains = |e: &&Evidence| !e.misread && e.weight() >= 4 * light.weight() && overlap(e, light);
        light.misread = heavier.iter().any(|e| explains(&e));
    }
}

/// The claims of all values: one for each value first, the best supported before the others, then what second passes add.
///
/// So the first claims of a conflict are the different values that somebody has to choose from.
pub fn claims(all: &[Evidence]) -> Vec<Claim> {
    let firsts = all.iter().filter_map(|e| e.claims().next());
    let seconds = all.iter().flat_map(|e| e.claims().skip(1));
    firsts.chain(seconds).collect()
}

/// The verdict, and the value that it rests on when it is `read`.
pub fn verdict(all: &[Evidence]) -> (ReadVerdict, Option<&Evidence>) {
    let Some(best) = all.iter().find(|e| e.is_believed()) else { return (ReadVerdict::Unread, None) };
    let rival = all.iter().any(|e| e.stands() && e.key() != best.key());
    if rival { (ReadVerdict::Conflict, None) } else { (ReadVerdict::Read, Some(best)) }
}

/// An upright box.
#[derive(Clone, Copy)]
struct Bounds {
    low: [f32; 2],
    high: [f32; 2],
}

impl Bounds {
    fn around(points: impl Iterator<Item = [f32; 2]>) -> Option<Self> {
        points.map(|p| Self { low: p, high: p }).reduce(|a, b| Self {
            low: [a.low[0].min(b.low[0]), a.low[1].min(b.low[1])],
            high: [a.high[0].max(b.high[0]), a.high[1].max(b.high[1])],
        })
    }

    fn meets(&self, other: &Self) -> bool {
        (0..2).all(|i| self.low[i] <= other.high[i] && other.low[i] <= self.high[i])
    }
}

fn overlap(a: &Evidence, b: &Evidence) -> bool {
    match (a.bounds(), b.bounds()) {
        (Some(a), Some(b)) => a.meets(&b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(value: &str, format: Format, pass: Pass, count: u32, left: f32) -> Sighting {
        let quad = vec![[left, 0.0], [left + 100.0, 0.0], [left + 100.0, 50.0], [left, 50.0]];
        Sighting { value: value.to_owned(), format, pass, count, quad }
    }

    fn check(sightings: &[Sighting], expected: (ReadVerdict, Option<&str>, u16)) {
        let all = weigh(sightings);
        let (verdict, winner) = verdict(&all);
        let confidence = winner.map_or(0, Evidence::confidence_permille);
        assert_eq!((verdict, winner.map(|e| e.value.as_str()), confidence), expected, "{sightings:?}");
    }

    #[test]
    fn the_table_of_beliefs() {
        use Format::{Code128, Ean8, Ean13, Qr, UpcA};
        use Pass::{Plain, Processed};
        use ReadVerdict::{Conflict, Read, Unread};
        check(&[], (Unread, None, 0));
        check(&[seen("A", Code128, Plain, 20, 0.0), seen("A", Code128, Processed, 9, 0.0)], (Read, Some("A"), 1000));
        check(&[seen("A", Code128, Plain, 1, 0.0), seen("A", Code128, Processed, 1, 0.0)], (Read, Some("A"), 950));
        check(&[seen("A", Code128, Plain, 3, 0.0)], (Read, Some("A"), 800));
        check(&[seen("A", Code128, Plain, 2, 0.0)], (Unread, None, 0));
        check(&[seen("A", Ean8, Plain, 90, 0.0)], (Unread, None, 0));
        check(&[seen("A", Ean8, Plain, 9, 0.0), seen("A", Ean8, Processed, 9, 0.0)], (Read, Some("A"), 900));
        check(&[seen("A", Qr, Processed, 1, 0.0)], (Read, Some("A"), 800));
        // Two codes in two places.
        check(&[seen("A", Code128, Plain, 20, 0.0), seen("B", Ean13, Plain, 4, 300.0)], (Conflict, None, 0));
        check(&[seen("A", Code128, Plain, 20, 0.0), seen("B", Ean13, Plain, 1, 300.0)], (Conflict, None, 0));
        check(&[seen("A", Qr, Plain, 1, 0.0), seen("B", Qr, Plain, 1, 300.0)], (Conflict, None, 0));
        // Noise of a weak symbology is not a second code; a line across half a code is not one either.
        check(&[seen("A", Code128, Plain, 20, 0.0), seen("B", Ean8, Plain, 2, 300.0)], (Read, Some("A"), 800));
        check(&[seen("A", Ean13, Plain, 20, 0.0), seen("B", Ean13, Plain, 5, 10.0)], (Read, Some("A"), 800));
        check(&[seen("A", Ean13, Plain, 20, 0.0), seen("B", Ean13, Plain, 6, 10.0)], (Conflict, None, 0));
        // One number in two symbologies is one code.
        check(
            &[seen("036000291452", UpcA, Plain, 9, 0.0), seen("0036000291452", Ean13, Plain, 9, 0.0)],
            (Read, Some("036000291452"), 800),
        );
    }

    #[test]
    fn the_first_claims_of_a_conflict_are_its_different_values() {
        let both =
            |value: &str, left| [Pass::Plain, Pass::Processed].map(|pass| seen(value, Format::Code128, pass, 9, left));
        let sightings: Vec<Sighting> = [both("A", 0.0), both("B", 300.0)].into_iter().flatten().collect();
        let values: Vec<String> = claims(&weigh(&sightings)).into_iter().map(|c| c.value).collect();
        assert_eq!(values, ["A", "B", "A", "B"]);
    }

    #[test]
    fn looking_twice_is_no_new_evidence() {
        let look = seen("A", Format::Code128, Pass::Plain, 2, 0.0);
        check(&[look.clone(), look], (ReadVerdict::Unread, None, 0));
    }

    #[test]
    fn each_pass_makes_its_own_claim() {
        let sightings = [seen("A", Format::Qr, Pass::Plain, 1, 0.0), seen("A", Format::Qr, Pass::Processed, 1, 0.0)];
        let claims: Vec<Claim> = weigh(&sightings).iter().flat_map(Evidence::claims).collect();
        let engines: Vec<&str> = claims.iter().map(|c| c.engine.as_str()).collect();
        assert_eq!(engines, ["rxing 0.9.3 plain", "rxing 0.9.3 processed"]);
        assert!(claims.iter().all(|c| c.confidence_permille == 1000 && c.quad.len() == 4));
    }
}
