//! The product of two matrices, on the widest instructions that the processor has.
//!
//! This file holds the one unsafe call of the room: the product is given lengths, and they are checked here.
#![expect(unsafe_code, reason = "the product takes raw pointers; all lengths are checked before the call")]

/// Sets `out` (`rows` x `outputs`) to `input` (`rows` x `inputs`) times the transpose of `weights` (`outputs` x `inputs`).
///
/// All are stored row by row.
///
/// # Panics
/// Where a length is not the product of its sides.
pub(super) fn times_transposed(input: &[f32], weights: &[f32], out: &mut [f32], inputs: usize, outputs: usize) {
    let rows = input.len() / inputs;
    assert_eq!(input.len(), rows * inputs, "the input is whole rows");
    assert_eq!(weights.len(), outputs * inputs, "the weights are a whole matrix");
    assert_eq!(out.len(), rows * outputs, "the output has a place for every value");
    let stride = |width: usize| isize::try_from(width).expect("a row fits into memory");
    // SAFETY: the three slices hold exactly rows x inputs, inputs x outputs (read column by column) and rows x outputs
    // values, as asserted above; the strides stay inside of them; `out` is borrowed alone, so nothing overlaps it.
    unsafe {
        matrixmultiply::sgemm(
            rows,
            inputs,
            outputs,
            1.0,
            input.as_ptr(),
            stride(inputs),
            1,
            weights.as_ptr(),
            1,
            stride(inputs),
            0.0,
            out.as_mut_ptr(),
            stride(outputs),
            1,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, slowly and surely.
    fn twin(input: &[f32], weights: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
        let dot = |row: &[f32], column: &[f32]| row.iter().zip(column).map(|(a, b)| a * b).sum::<f32>();
        let rows = input.chunks(inputs);
        rows.flat_map(|row| weights.chunks(inputs).take(outputs).map(move |column| dot(row, column))).collect()
    }

    #[test]
    fn the_product_is_that_of_its_safe_twin() {
        for (rows, inputs, outputs) in [(1, 1, 1), (1, 384, 3), (7, 5, 11), (65, 33, 17), (0, 4, 4)] {
            let value = |i: usize| (i * 37 % 101) as f32 / 50.0 - 1.0;
            let input: Vec<f32> = (0..rows * inputs).map(value).collect();
            let weights: Vec<f32> = (0..inputs * outputs).map(|i| value(i + 13)).collect();
            let mut out = vec![f32::NAN; rows * outputs];
            times_transposed(&input, &weights, &mut out, inputs, outputs);
            for (found, expected) in out.iter().zip(twin(&input, &weights, inputs, outputs)) {
                assert!((found - expected).abs() < 1e-3, "{rows} x {inputs} x {outputs}: {found}, expected {expected}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "whole matrix")]
    fn a_matrix_that_is_too_short_is_never_read() {
        times_transposed(&[1.0; 4], &[1.0; 7], &mut [0.0; 2], 4, 2);
    }
}
