//! The codes that the shop of the `returns` deployment knows. The shop's seed says the same of the goods behind them.
//!
//! | what | code |
//! |---|---|
//! | product `PNN` | EAN-13 `2000000000NN` and its check digit (20 to 29: numbers for use in the store) |
//! | sample return | `RMA-1000NN`, on Code 128 and QR labels |
//! | bulk return | `RMA-200001`, `RMA-200002`, … |
//! | a product that nobody knows | EAN-13 `299999999999` and its check digit |

/// The EAN-13 of product `PNN`.
pub fn product_ean(number: u32) -> String {
    with_check_digit(&format!("2000000000{number:02}"))
}

/// A valid EAN-13 that no shop has.
pub fn unknown_ean() -> String {
    with_check_digit("299999999999")
}

/// The number of a sample's return.
pub fn sample_rma(number: u32) -> String {
    format!("RMA-{}", 100_000 + number)
}

/// The number of a bulk return, from 1.
pub fn bulk_rma(place: u32) -> String {
    format!("RMA-{}", 200_000 + place)
}

/// Appends the GS1 check digit (GS1 General Specifications, 7.9) to the digits of a GTIN without one.
fn with_check_digit(digits: &str) -> String {
    let weighted = |(i, b): (usize, u8)| u32::from(b - b'0') * if i % 2 == 0 { 3 } else { 1 };
    let sum: u32 = digits.bytes().rev().enumerate().map(weighted).sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_those_of_known_numbers() {
        assert_eq!(with_check_digit("400638133393"), "4006381333931");
        assert_eq!(product_ean(1), "2000000000015");
        assert_eq!(unknown_ean(), "2999999999991");
    }
}
