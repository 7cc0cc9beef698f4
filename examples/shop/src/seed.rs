//! What the shop holds on its first day: goods, customers, orders and announced returns, the same on every start.
//!
//! The sample pictures of the `returns` deployment show these codes; whoever draws one must agree with this table:
//!
//! | what | value |
//! |---|---|
//! | product `PNN` | EAN-13 `2000000000NN` and its check digit (in-store range) |
//! | `RMA-1000NN` | the sample returns below; 09, 10 and 14 do not exist |
//! | `RMA-200001`… | bulk returns, each acceptable, of the products `P50` to `P99` |

use jiff::ToSpan;
use jiff::civil::Date;
use rusqlite::{Transaction, params};

const CURRENCY: &str = "EUR";
const BULK_RETURNS_PER_CUSTOMER: u32 = 2;
const BULK_PRODUCTS: u32 = 50;
const DISCONTINUED: u32 = 16;

/// The goods behind the sample returns: number, title, price in cents.
const PRODUCTS: &[(u32, &str, i64)] = &[
    (1, "Linen cushion cover, sand", 3990),
    (2, "Enamel kettle, 1.2 l", 5490),
    (3, "Wool throw, grey", 7990),
    (4, "Oak serving board", 4290),
    (5, "Stoneware mug, set of four", 3590),
    (6, "Brass desk lamp", 8990),
    (7, "Cork trivet, round", 1290),
    (8, "Cotton bath towel", 2490),
    (9, "Glass carafe, 1 l", 2990),
    (10, "Beeswax candles, pair", 1890),
    (11, "Rattan basket, large", 4990),
    (12, "Cast iron casserole, 5 l", 18900),
    (13, "Hand-knotted runner, 80 x 200 cm", 24900),
    (14, "Soap dish, slate", 1490),
    (15, "Linen apron, indigo", 4490),
    (16, "Paper star, 60 cm (last season)", 2290),
    (17, "Espresso tamper, walnut", 3790),
    (18, "Porcelain vase, tall", 6990),
    (19, "Tea towel, set of three", 2690),
    (20, "Bread bin, steel", 5990),
    (21, "Felt coasters, set of six", 1990),
    (22, "Salt mill, beech", 3290),
    (23, "Bamboo tray, small", 2190),
    (27, "House slippers, felt", 3890),
];

/// One announced return of the samples.
struct Announced {
    /// `RMA-1000NN`.
    number: u32,
    /// `PNN`.
    product: u32,
    delivered_days_ago: i32,
    condition: &'static str,
    reason: &'static str,
    earlier_returns: u32,
}

const fn announced(number: u32, product: u32, delivered_days_ago: i32, condition: &'static str) -> Announced {
    Announced { number, product, delivered_days_ago, condition, reason: "changed-mind", earlier_returns: 0 }
}

const RETURNS: &[Announced] = &[
    announced(1, 1, 6, "unopened"),
    Announced { reason: "ordered-twice", ..announced(2, 2, 9, "unopened") },
    Announced { earlier_returns: 1, ..announced(3, 3, 4, "unopened") },
    announced(4, 4, 12, "unopened"),
    Announced { reason: "wrong-size", ..announced(5, 5, 8, "unopened") },
    announced(6, 6, 15, "unopened"),
    announced(7, 17, 7, "unopened"),
    announced(8, 8, 10, "unopened"),
    announced(11, 11, 64, "unopened"),
    Announced { earlier_returns: 1, ..announced(12, 12, 11, "unopened") },
    announced(13, 13, 13, "unopened"),
    Announced { earlier_returns: 6, ..announced(15, 15, 5, "unopened") },
    announced(16, 16, 14, "unopened"),
    Announced { reason: "wrong-size", ..announced(17, 27, 20, "worn") },
    Announced { reason: "damaged", ..announced(18, 18, 3, "damaged-in-transit") },
    announced(19, 19, 9, "unopened"),
    Announced { reason: "ordered-twice", ..announced(20, 19, 17, "unopened") },
    announced(21, 21, 18, "unopened"),
    Announced { earlier_returns: 2, ..announced(22, 22, 22, "unopened") },
    announced(23, 23, 5, "opened"),
];

/// Given and family names: enough for a shop in which one tells customers apart.
const GIVEN: &[&str] = &["Ines", "Jonas", "Mira", "Tomas", "Lea", "Paul", "Nora", "Emil", "Sara", "Anton", "Clara"];
const FAMILY: &[&str] = &[
    "Bach", "Falk", "Keller", "Lindner", "Moser", "Novak", "Petersen", "Roth", "Sommer", "Thal", "Vogt", "Weiss",
    "Ziegler",
];
const ADJECTIVES: &[&str] = &["Blue", "Green", "Plain", "Striped", "White"];
const NOUNS: &[&str] =
    &["bowl", "plate", "napkin", "placemat", "jar", "hook rail", "doormat", "lampshade", "notebook", "storage box"];

/// The EAN-13 of product `PNN`, check digit included (GS1 General Specifications, section 7.9).
pub fn ean_of(product: u32) -> String {
    let body = format!("2000000000{product:02}");
    let weighted = body.bytes().zip([1, 3].into_iter().cycle()).map(|(digit, weight)| u32::from(digit - b'0') * weight);
    let check = (10 - weighted.sum::<u32>() % 10) % 10;
    format!("{body}{check}")
}

/// Fills an empty shop, with days counted back from `today`.
pub(crate) fn plant(tx: &Transaction<'_>, today: Date, bulk: u32) -> rusqlite::Result<()> {
    for &(number, title, price) in PRODUCTS {
        add_product(tx, number, title, price)?;
    }
    for (place, item) in (0..).zip(RETURNS) {
        let customer = format!("c-{}", 1001 + place);
        add_customer(tx, &customer, place, item.earlier_returns)?;
        let rma = format!("RMA-{}", 100_000 + item.number);
        add_return(tx, today, &rma, &format!("o-{}", 5000 + item.number), &customer, item)?;
    }
    if bulk > 0 {
        plant_bulk(tx, today, bulk)?;
    }
    Ok(())
}

/// Returns without any catch: unopened, cheap, in time, of customers who rarely return a thing.
fn plant_bulk(tx: &Transaction<'_>, today: Date, bulk: u32) -> rusqlite::Result<()> {
    for place in 0..BULK_PRODUCTS {
        let (noun, adjective) = (pick(NOUNS, place), pick(ADJECTIVES, place / 10));
        let price = 1290 + i64::from(place * 7 % 40) * 100;
        add_product(tx, 50 + place, &format!("{adjective} {noun}"), price)?;
    }
    for place in 0..bulk {
        let holder = place / BULK_RETURNS_PER_CUSTOMER;
        let customer = format!("c-{}", 2001 + holder);
        if place % BULK_RETURNS_PER_CUSTOMER == 0 {
            add_customer(tx, &customer, holder, 0)?;
        }
        let days = i32::try_from(3 + place % 23).expect("a remainder by 23 is small");
        let item = announced(place + 1, 50 + place % BULK_PRODUCTS, days, "unopened");
        let rma = format!("RMA-{}", 200_001 + place);
        add_return(tx, today, &rma, &format!("o-{}", 20_001 + place), &customer, &item)?;
    }
    Ok(())
}

fn pick(words: &'static [&'static str], place: u32) -> &'static str {
    words.iter().cycle().nth(place as usize).copied().unwrap_or("thing")
}

fn add_product(tx: &Transaction<'_>, number: u32, title: &str, price_minor: i64) -> rusqlite::Result<()> {
    let sku = format!("P{number:02}");
    let discontinued = number == DISCONTINUED;
    tx.prepare_cached("INSERT INTO products VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
        sku,
        ean_of(number),
        title,
        price_minor,
        CURRENCY,
        discontinued
    ])?;
    let qty = if discontinued { 0 } else { 20 };
    tx.prepare_cached("INSERT INTO stock VALUES (?1, ?2)")?.execute(params![sku, qty])?;
    Ok(())
}

fn add_customer(tx: &Transaction<'_>, id: &str, place: u32, earlier_returns: u32) -> rusqlite::Result<()> {
    let (given, family) = (pick(GIVEN, place), pick(FAMILY, place));
    let email =
        format!("{}.{}.{}@example.com", given.to_lowercase(), family.to_lowercase(), id.trim_start_matches("c-"));
    tx.prepare_cached("INSERT INTO customers VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        id,
        format!("{given} {family}"),
        email,
        earlier_returns
    ])?;
    Ok(())
}

fn add_return(
    tx: &Transaction<'_>,
    today: Date,
    rma: &str,
    order: &str,
    customer: &str,
    item: &Announced,
) -> rusqlite::Result<()> {
    let delivered = today.saturating_sub(item.delivered_days_ago.days());
    let announced_on = today.saturating_sub(item.delivered_days_ago.min(2).days());
    tx.prepare_cached(
        "INSERT INTO order_lines SELECT ?1, 1, ?2, sku, price_minor, currency, ?4 FROM products WHERE sku = ?3",
    )?
    .execute(params![order, customer, format!("P{:02}", item.product), delivered.to_string()])?;
    tx.prepare_cached("INSERT INTO returns VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6)")?.execute(params![
        rma,
        order,
        announced_on.to_string(),
        item.condition,
        item.reason,
        item.condition != "damaged-in-transit",
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ean_check_digits_are_those_of_gs1() {
        // Worked by hand: 2·1 + 0·3 + … + 0·1 + 1·3 = 5, so 5 is missing to the next ten.
        assert_eq!(ean_of(1), "2000000000015");
        for product in 0..100 {
            let ean = ean_of(product);
            let sum: u32 = ean.bytes().zip([1, 3].into_iter().cycle()).map(|(d, w)| u32::from(d - b'0') * w).sum();
            assert_eq!((ean.len(), sum % 10), (13, 0), "{ean}");
        }
    }

    #[test]
    fn every_sample_return_has_its_product_and_only_the_named_gaps_exist() {
        for item in RETURNS {
            assert!(PRODUCTS.iter().any(|product| product.0 == item.product), "{}", item.number);
        }
        let missing: Vec<u32> = (1..=23).filter(|n| RETURNS.iter().all(|item| item.number != *n)).collect();
        assert_eq!(missing, [9, 10, 14]);
        let open = |product| RETURNS.iter().filter(|item| item.product == product).count();
        assert_eq!((open(1), open(5), open(7), open(19)), (1, 1, 0, 2));
    }
}
