//! Which scale leaves the least squared error. All candidates are tried at once, a lane each, so that every sum adds in the order in which TypeScript adds.

/// Adding this leaves no room for a fraction, so that doubles round to the nearest whole number, ties to even.
const ROUNDER: f64 = 1.5 * (1u64 << 52) as f64;

/// The whole number nearest to `value` within `least` … `most`.
#[inline(always)]
pub fn code_of(value: f64, least: f64, most: f64) -> f64 {
    let code = value + ROUNDER - ROUNDER;
    // written as the processor's own maximum and minimum are defined
    let code = if code > least { code } else { least };
    if code < most { code } else { most }
}

/// A whole number from 0 to 255 as a byte: the lowest bits once the fraction has no room.
#[inline(always)]
pub fn byte_of(code: f64) -> u8 {
    (code + (1u64 << 52) as f64).to_bits() as u8
}

/// The value of largest magnitude, the first of equal ones, and the sum of squares. `None` where a value is not finite.
#[inline(always)]
pub fn survey(values: &[f32]) -> Option<(f32, f64)> {
    // magnitudes order as their bits do
    let magnitude = values.iter().fold(0, |most, value| most.max(value.abs().to_bits()));
    let squares = values.iter().fold(0f64, |sum, &value| sum + f64::from(value) * f64::from(value));
    let largest = values.iter().copied().find(|value| value.abs().to_bits() == magnitude).unwrap_or(0.0);
    squares.is_finite().then_some((largest, squares))
}

/// The best of `N` scales, each given as codes per unit; NaN where none leaves an error that compares.
#[inline(always)]
pub fn best_scale<const N: usize>(values: &[f32], per_step: [f64; N], squares: f64, least: f64, most: f64) -> f64 {
    let (mut products, mut codes) = ([0f64; N], [0f64; N]);
    for &value in values {
        let value = f64::from(value);
        for lane in 0..N {
            let code = code_of(value * per_step[lane], least, most);
            products[lane] += value * code;
            codes[lane] += code * code;
        }
    }
    let (mut best, mut smallest) = (f64::NAN, f64::INFINITY);
    for lane in 0..N {
        let error = squares - (products[lane] * products[lane]) / codes[lane];
        if error < smallest {
            (smallest, best) = (error, products[lane] / codes[lane]);
        }
    }
    best
}

/// Runs the same Rust code with the processor's wide registers where it has them. No operation is fused: results stay the same.
macro_rules! widest {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty = $plain:ident) => {
        $(#[$doc])*
        fn $name($($arg: $type),*) -> $out {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($arg: $type),*) -> $out { $plain($($arg),*) }
                #[target_feature(enable = "avx512f,avx512vl,avx512dq")]
                fn wider($($arg: $type),*) -> $out { $plain($($arg),*) }
                if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vl") && std::arch::is_x86_feature_detected!("avx512dq") {
                    // SAFETY: the processor has been asked
                    return unsafe { wider($($arg),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has been asked
                    return unsafe { wide($($arg),*) };
                }
            }
            $plain($($arg),*)
        }
    };
}
pub(crate) use widest;
