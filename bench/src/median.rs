//! The median.

/// The median of `numbers`: of an even number of them, the middle between the two in the middle.
/// None if there are none.
///
/// # Examples
///
/// ```
/// assert_eq!(bench::median::median(vec![9.0, 1.0, 2.0]), Some(2.0));
/// ```
pub fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let last = numbers.len().checked_sub(1)?;
    Some(f64::midpoint(numbers[last / 2], numbers[numbers.len() / 2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_numbers_are_on_either_side() {
        assert_eq!(median(vec![3.0, 1.0, 10.0]), Some(3.0));
        assert_eq!(median(vec![3.0, 1.0, 10.0, 4.0]), Some(3.5));
        assert_eq!(median(Vec::new()), None);
    }
}
