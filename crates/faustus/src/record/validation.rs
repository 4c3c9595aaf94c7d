//! Records whose fields must keep rules.

use garde::Validate;
use serde::de::Error;

/// `record`, if it keeps the rules of its fields; the error names those that do not.
///
/// # Errors
///
/// When it does not.
pub fn validated<R: Validate<Context: Default>, E: Error>(record: R) -> Result<R, E> {
    match record.validate() {
        Ok(()) => Ok(record),
        Err(report) => {
            let broken: Vec<_> = report
                .iter()
                .map(|(path, rule)| match path.is_empty() {
                    true => rule.to_string(),
                    false => format!("{path}: {rule}"),
                })
                .collect();
            Err(E::custom(broken.join("; ")))
        }
    }
}
