//! Filters of entries: `value.amount >= 10`, `key ~ ann`.

use std::{cmp::Ordering, str::FromStr};

use serde_json::Value;

/// A condition on an entry's key or value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    of_key: bool,
    /// Names of fields or numbers of elements, from the outside in.
    path: Vec<String>,
    is: Is,
    to: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Containing,
}

/// The longer ones first: `<=` begins with `<`.
const SIGNS: [(&str, Is); 8] = [
    ("!=", Is::Unequal),
    ("<=", Is::LessOrEqual),
    (">=", Is::GreaterOrEqual),
    ("==", Is::Equal),
    ("=", Is::Equal),
    ("<", Is::Less),
    (">", Is::Greater),
    ("~", Is::Containing),
];

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write it as in 'value.amount >= 10' or 'key ~ ann'";
        let at = text.find(['!', '<', '>', '=', '~']);
        let at = at.ok_or_else(|| format!("no =, !=, <, <=, >, >= or ~ in it; {example}"))?;
        let (path, rest) = text.split_at(at);
        let found = SIGNS
            .iter()
            .find_map(|(sign, is)| rest.strip_prefix(sign).map(|to| (*is, to)));
        let (is, to) = found.ok_or_else(|| format!("! alone compares nothing; {example}"))?;
        let mut path = path.trim().split('.').map(str::trim);
        let of_key = match path.next() {
            Some("key") => true,
            Some("value") => false,
            other => {
                let other = other.unwrap_or_default();
                return Err(format!(
                    "it begins with {other:?} and must begin with key or value; {example}"
                ));
            }
        };
        let path: Vec<String> = path.map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("a field without a name; {example}"));
        }
        let to = to.trim();
        if to.is_empty() {
            return Err(format!("nothing to compare with; {example}"));
        }
        let to = serde_json::from_str(to).unwrap_or_else(|_| Value::String(to.to_owned()));
        Ok(Self {
            of_key,
            path,
            is,
            to,
        })
    }
}

impl Filter {
    /// Whether the entry is wanted. What is not there is `null`.
    pub(super) fn takes(&self, key: &Value, value: &Value) -> bool {
        let mut found = if self.of_key { key } else { value };
        for step in &self.path {
            let inside = match found {
                Value::Array(list) => step.parse().ok().and_then(|at: usize| list.get(at)),
                other => other.get(step),
            };
            found = inside.unwrap_or(&Value::Null);
        }
        let ordered = |wanted: &[Ordering]| {
            compare(found, &self.to).is_some_and(|order| wanted.contains(&order))
        };
        match self.is {
            Is::Equal => ordered(&[Ordering::Equal]),
            Is::Unequal => !ordered(&[Ordering::Equal]),
            Is::Less => ordered(&[Ordering::Less]),
            Is::LessOrEqual => ordered(&[Ordering::Less, Ordering::Equal]),
            Is::Greater => ordered(&[Ordering::Greater]),
            Is::GreaterOrEqual => ordered(&[Ordering::Greater, Ordering::Equal]),
            Is::Containing => contains(found, &self.to),
        }
    }
}

/// The order of two values of one kind: numbers, texts; of all others only whether they are equal.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        // A text that looks like a number was given without quotes.
        (Value::String(a), b @ Value::Number(_)) => Some(a.as_str().cmp(&b.to_string())),
        (a, b) => (a == b).then_some(Ordering::Equal),
    }
}

fn contains(found: &Value, part: &Value) -> bool {
    match (found, part) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::String(text), part) => text.contains(&part.to_string()),
        (Value::Array(list), part) => {
            let equal = |one| compare(one, part) == Some(Ordering::Equal);
            list.iter().any(equal)
        }
        (Value::Object(fields), Value::String(name)) => fields.contains_key(name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn takes(filter: &str) -> bool {
        let value = json!({"amount": 10, "name": "tea", "tags": ["a", "b"], "code": "17"});
        filter
            .parse::<Filter>()
            .unwrap()
            .takes(&json!("ann"), &value)
    }

    #[test]
    fn entries_are_taken_by_what_is_in_them() {
        for filter in [
            "value.amount = 10",
            "value.amount>=10",
            "value.amount != 11",
            "value.amount < 10.5",
            "value.name = tea",
            "value.name=\"tea\"",
            "value.name ~ e",
            "value.tags ~ b",
            "value.tags.0 = a",
            "value.code = 17",
            "value.nothing = null",
            "value ~ amount",
            "key ~ nn",
            "key > aaa",
        ] {
            assert!(takes(filter), "{filter}");
        }
        for filter in [
            "value.amount = 11",
            "value.amount > 10",
            "value.name > zzz",
            "value.name < 5.",
            "value.tags ~ c",
            "key = bob",
            "value.nothing > 0",
        ] {
            assert!(!takes(filter), "{filter}");
        }
    }

    #[test]
    fn what_does_not_parse_says_how_it_is_written() {
        for (filter, why) in [
            ("value.amount", "no ="),
            ("amount > 3", "must begin with key or value"),
            ("value..a = 3", "without a name"),
            ("value.a =", "nothing to compare"),
            ("value.a ! 3", "! alone"),
            ("", "no ="),
        ] {
            let error = filter.parse::<Filter>().unwrap_err();
            assert!(
                error.contains(why) && error.contains("value.amount >= 10"),
                "{error}"
            );
        }
    }
}
