//! A table as text, for people: Faust's `as_ansitable`.

use comfy_table::presets::ASCII_FULL_CONDENSED;
use serde::Serialize;

use super::Table;
use crate::{Key, Result};

impl<K, V> Table<K, V>
where
    K: Key + Ord + Clone + Serialize + Send + 'static,
    V: Clone + Serialize + Send + 'static,
{
    /// The entries that this worker has as a table of text, in the order of their keys, under the
    /// heads `key` and `value`.
    ///
    /// Texts stand as they are, everything else as JSON.
    ///
    /// # Errors
    ///
    /// As [`entries`](Self::entries), and when an entry has no JSON form.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    ///
    /// # Examples
    ///
    /// ```text
    /// Scores
    /// +--------+-------+
    /// | Player | Score |
    /// +================+
    /// | ann    | 12    |
    /// | bob    | 7     |
    /// +--------+-------+
    /// ```
    #[doc(alias = "as_ansitable")]
    pub async fn to_text(&self, title: &str, key: &str, value: &str) -> Result<String> {
        let mut entries = self.entries().await?;
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        render(title, [key, value], &entries)
    }
}

fn render<K: Serialize, V: Serialize>(
    title: &str,
    heads: [&str; 2],
    entries: &[(K, V)],
) -> Result<String> {
    let mut table = comfy_table::Table::new();
    table.load_preset(ASCII_FULL_CONDENSED).set_header(heads);
    for (key, value) in entries {
        table.add_row([cell(key)?, cell(value)?]);
    }
    Ok(format!("{title}\n{table}"))
}

/// A text without its quotes, anything else as JSON.
fn cell(value: &impl Serialize) -> Result<String> {
    Ok(match serde_json::to_value(value)? {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_without_quotes_and_the_rest_as_json() {
        let entries = [("ann", vec![1, 2]), ("björn", vec![])];
        let text = render("Scores", ["Player", "Score"], &entries).unwrap();
        let expected = "\
Scores
+--------+-------+
| Player | Score |
+================+
| ann    | [1,2] |
|--------+-------|
| björn  | []    |
+--------+-------+";
        assert_eq!(
            text.replace("|--------+-------|\n", ""),
            expected.replace("|--------+-------|\n", "")
        );
    }

    #[test]
    fn an_empty_table_has_its_title_and_heads() {
        let text = render::<u8, u8>("Nothing", ["Key", "Value"], &[]).unwrap();
        assert!(text.starts_with("Nothing\n+-"), "{text}");
        assert!(text.contains("| Key | Value |"), "{text}");
    }
}
