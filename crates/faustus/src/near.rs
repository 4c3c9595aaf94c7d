//! Which name was most likely meant.

/// The name of `known` that is most like `name`, if one is so like it that it may have been meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance =
        |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase());
    let (distance, nearest) = known
        .into_iter()
        .map(|known| (distance(known), known))
        .min()?;
    let length = name.chars().count();
    // Of a short name two letters are most of it.
    let most = (length.max(nearest.chars().count()) / 3).clamp(1, 2);
    (distance <= most && distance < length).then_some(nearest)
}

/// `: did you mean …?`, or nothing.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!(": did you mean {near:?}?"))
}

/// Whether one of two different names may be the other one mistyped: they differ in case alone, or in
/// one letter. Digits tell names apart on purpose.
pub(crate) fn are_confusable(one: &str, other: &str) -> bool {
    if one == other {
        return false;
    }
    let without_digits = |name: &str| name.replace(|c: char| c.is_ascii_digit(), "");
    let differ_in_letters = without_digits(one) != without_digits(other);
    let distance = strsim::damerau_levenshtein(&one.to_lowercase(), &other.to_lowercase());
    let lost_a_letter = one.len() != other.len();
    let is_long = one.len().min(other.len()) >= if lost_a_letter { 3 } else { 4 };
    differ_in_letters && (distance == 0 || distance == 1 && is_long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_named_if_it_is_near() {
        assert_eq!(nearest("poool", ["web", "pool", "loop"]), Some("pool"));
        assert_eq!(nearest("POOL", ["web", "pool"]), Some("pool"));
        assert_eq!(nearest("database", ["web", "pool"]), None);
        assert_eq!(nearest("foo", ["log"]), None);
        assert_eq!(nearest("totl", ["counts", "totals"]), Some("totals"));
        assert_eq!(
            nearest("partitoins", ["partitions", "topics"]),
            Some("partitions")
        );
        assert_eq!(nearest("db", ["ab", "xy"]), Some("ab"));
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("a", []), None);
    }

    #[test]
    fn numbers_and_short_names_are_told_apart() {
        assert!(are_confusable("orders", "Orders"));
        assert!(are_confusable("orders", "order"));
        assert!(are_confusable("orders", "odrers"));
        assert!(are_confusable("shop", "shp"));
        assert!(!are_confusable("api", "app"));
        assert!(!are_confusable("orders", "orders"));
        assert!(!are_confusable("orders-1", "orders-2"));
        assert!(!are_confusable("a", "b"));
        assert!(!are_confusable("orders", "borders-of-states"));
    }
}
