//! Draws label photographs from a seed: the samples of the `returns` deployment, and as many more as a test wants.
//!
//! Knows how labels look and how photographs spoil them. Does not know how they are read: nothing here is used by the scanner.
//!
//! ```text
//! symbol (modules) -> label (white card) -> scene (background, tilt, light, blur, noise) -> JPEG
//! ```
//!
//! Read in this order: [`goods`] (the codes that the shop knows), [`symbol`], [`label`], [`scene`], then the two sets:
//! [`samples`] and [`bulk`].

pub mod bulk;
pub mod canvas;
pub mod expected;
pub mod font;
pub mod goods;
pub mod label;
pub mod samples;
pub mod scene;
pub mod symbol;
pub mod texture;
