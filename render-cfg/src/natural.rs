//! The order in which people count: `s2` comes before `s10`.
//!
//! Digits are compared as a number, everything else byte by byte. It is a total order: texts that differ only in leading
//! zeros are ordered by their bytes, so the same nodes always give the same text.

use std::cmp::Ordering;

/// Compares two texts.
pub(crate) fn natural(one: &str, other: &str) -> Ordering {
    by_parts(one.as_bytes(), other.as_bytes()).then_with(|| one.cmp(other))
}

/// Compares the numbers, and the bytes between them.
fn by_parts(a: &[u8], b: &[u8]) -> Ordering {
    // Texts that are compared have mostly the same beginning, so its numbers are skipped without being read.
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let start = same - a[..same].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let ((number, rest), (other, other_rest)) = (number(&a[start..]), number(&b[start..]));
    if number.is_empty() || other.is_empty() {
        return a[start..].cmp(&b[start..]);
    }
    by_value(number, other).then_with(|| by_parts(rest, other_rest))
}

/// Splits off the digits at the beginning.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// Compares digits of any length. Without leading zeros the longer number is the larger one.
fn by_value(a: &[u8], b: &[u8]) -> Ordering {
    let zeros = |digits: &[u8]| digits.iter().take_while(|byte| **byte == b'0').count();
    let (a, b) = (&a[zeros(a)..], &b[zeros(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_value_and_everything_else_by_its_bytes() {
        let sorted = [
            "",
            "10-a",
            "A",
            "a",
            "s",
            "s-1",
            "s-2",
            "s-10",
            "s01",
            "s1",
            "s1-1",
            "s1.2",
            "s1.10",
            "s2",
            "s2x",
            "s10",
            "s10a1",
            "s10a02",
            "s10a2",
            "s100",
            "s18446744073709551616",
            "sa",
            "é",
        ];
        for (at, one) in sorted.iter().enumerate() {
            for (behind, other) in sorted.iter().enumerate() {
                assert_eq!(natural(one, other), at.cmp(&behind), "{one} {other}");
            }
        }
    }
}
