//! Weights in the safetensors form: a length, a JSON table of names, then the numbers.
//!
//! Source: the format's description at <https://github.com/huggingface/safetensors>. Every offset comes from outside and is
//! checked. Does not know what the numbers are for.

use std::collections::BTreeMap;

use serde::Deserialize;
use sinew_contract::ErrorKind;

/// Why a model cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// The file is not safetensors.
    #[error("the weights are no safetensors file: {0}")]
    Form(&'static str),
    /// A tensor that the model needs is missing, or of another kind or size.
    #[error("the weights have no tensor `{name}` of {values} 32-bit numbers; is this all-MiniLM-L6-v2?")]
    Tensor {
        /// Its name.
        name: String,
        /// How many numbers it should have.
        values: usize,
    },
    /// The vocabulary lacks a piece that every text needs.
    #[error("the vocabulary has no piece `{0}`; is this the vocabulary of all-MiniLM-L6-v2?")]
    Vocabulary(&'static str),
}

impl WeightsError {
    /// Answers how the caller may react: with other files.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

#[derive(Deserialize)]
struct Place {
    dtype: String,
    data_offsets: (usize, usize),
}

/// The tensors of a file, by name.
pub(super) struct Weights<'a> {
    places: BTreeMap<String, Place>,
    numbers: &'a [u8],
}

impl<'a> Weights<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or(WeightsError::Form("it is too short"))?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (table, numbers) = rest.split_at_checked(length).ok_or(WeightsError::Form("its table is cut off"))?;
        let table: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(table).map_err(|_| WeightsError::Form("its table is no JSON object"))?;
        let tensors = table.into_iter().filter(|(name, _)| name != "__metadata__");
        let place = |(name, value)| Some((name, serde_json::from_value(value).ok()?));
        Ok(Self { places: tensors.filter_map(place).collect(), numbers })
    }

    /// A tensor with so many numbers.
    pub(super) fn tensor(&self, name: &str, values: usize) -> Result<Vec<f32>, WeightsError> {
        let wrong = || WeightsError::Tensor { name: name.to_owned(), values };
        let place = self.places.get(name).filter(|place| place.dtype == "F32").ok_or_else(wrong)?;
        let bytes = self.numbers.get(place.data_offsets.0..place.data_offsets.1).ok_or_else(wrong)?;
        let numbers: Vec<f32> =
            bytes.chunks_exact(4).filter_map(|four| Some(f32::from_le_bytes(four.try_into().ok()?))).collect();
        if numbers.len() == values && bytes.len() == values * 4 { Ok(numbers) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(table: &str, numbers: &[f32]) -> Vec<u8> {
        let mut bytes = (table.len() as u64).to_le_bytes().to_vec();
        bytes.extend(table.as_bytes());
        numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        bytes
    }

    #[test]
    fn a_tensor_is_found_by_name_and_size() {
        let table = r#"{"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
            "ids": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}"#;
        let bytes = file(table, &[9.0, 1.5, -2.0]);
        let weights = Weights::read(&bytes).expect("it is a file");
        assert_eq!(weights.tensor("a", 2).expect("there"), [1.5, -2.0]);
        for (name, values) in [("a", 3), ("b", 2), ("ids", 1), ("ids", 2)] {
            assert!(weights.tensor(name, values).is_err(), "{name} of {values}");
        }
    }

    #[test]
    fn a_file_that_lies_about_its_lengths_is_refused() {
        for bytes in [vec![], vec![0; 7], u64::MAX.to_le_bytes().to_vec(), file("[]", &[])] {
            assert!(Weights::read(&bytes).is_err(), "{bytes:?}");
        }
        let beyond = file(r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}"#, &[1.0, 2.0]);
        assert!(Weights::read(&beyond).expect("its table is fine").tensor("a", 2).is_err());
        let backwards = file(r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}"#, &[1.0, 2.0]);
        assert!(Weights::read(&backwards).expect("its table is fine").tensor("a", 2).is_err());
    }
}
