//! What serde is told about fields: their names, and which of them it leaves out or flattens.
//!
//! Contract: a field's name here is the name under which serde writes it. Attributes that do not
//! bear on it are read over; serde itself reports those that are wrong.

use syn::{Attribute, Expr, LitStr, Token, meta::ParseNestedMeta, token::Paren};

/// What the `#[serde(…)]` attributes of a struct or a field say.
#[derive(Default)]
pub(crate) struct Serde {
    /// `rename = "…"`.
    pub(crate) rename: Option<String>,
    /// `rename_all = "…"`.
    pub(crate) rename_all: Option<Case>,
    /// The field is not written: `skip`, `skip_serializing`.
    pub(crate) skipped: bool,
    /// The fields of the field stand in its place: `flatten`.
    pub(crate) flattened: bool,
    /// The field is written by a function, in an unknown form: `with`, `serialize_with`.
    pub(crate) by_function: bool,
    /// The struct's code for serde is no implementation of its traits: `remote = "Self"`.
    pub(crate) remote: bool,
}

impl Serde {
    /// Reads the serde attributes among `attributes`.
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut serde = Self::default();
        for attribute in attributes.iter().filter(|a| a.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    serde.rename = written_name(&meta)?.map(|name| name.value());
                } else if meta.path.is_ident("rename_all") {
                    serde.rename_all = written_name(&meta)?
                        .map(|rule| Case::read(&rule))
                        .transpose()?;
                } else if meta.path.is_ident("remote") {
                    serde.remote = written_name(&meta)?.is_some_and(|of| of.value() == "Self");
                } else {
                    let is = |names: &[&str]| names.iter().any(|name| meta.path.is_ident(name));
                    serde.skipped |= is(&["skip", "skip_serializing"]);
                    serde.flattened |= is(&["flatten"]);
                    serde.by_function |= is(&["with", "serialize_with"]);
                    pass_over(&meta)?;
                }
                Ok(())
            })?;
        }
        Ok(serde)
    }
}

/// The string of `name = "…"`, or of the `serialize = "…"` in `name(serialize = "…", …)`.
fn written_name(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<LitStr>> {
    if meta.input.peek(Token![=]) {
        return meta.value()?.parse().map(Some);
    }
    let mut written = None;
    meta.parse_nested_meta(|inner| {
        let name = inner.value()?.parse()?;
        if inner.path.is_ident("serialize") {
            written = Some(name);
        }
        Ok(())
    })?;
    Ok(written)
}

/// Reads over the value or the list of an attribute that has nothing to do with names.
fn pass_over(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(Paren) {
        let list;
        syn::parenthesized!(list in meta.input);
        list.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(())
}

/// A way to write a field's name, by serde's names for them.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Case {
    fn read(rule: &LitStr) -> syn::Result<Self> {
        Ok(match rule.value().as_str() {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => {
                return Err(syn::Error::new(
                    rule.span(),
                    "serde knows no such `rename_all`",
                ));
            }
        })
    }

    /// Writes the name of a field, which is in snake case.
    pub(crate) fn apply(self, field: &str) -> String {
        match self {
            // serde leaves a field's letters alone here: they are lower case already.
            Self::Lower | Self::Snake => field.to_owned(),
            Self::Upper | Self::ScreamingSnake => field.to_ascii_uppercase(),
            Self::Pascal => pascal(field),
            Self::Camel => {
                let pascal = pascal(field);
                let mut letters = pascal.chars();
                letters
                    .next()
                    .map(|first| first.to_ascii_lowercase())
                    .into_iter()
                    .chain(letters)
                    .collect()
            }
            Self::Kebab => field.replace('_', "-"),
            Self::ScreamingKebab => field.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn pascal(field: &str) -> String {
    field
        .split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
        })
        .collect()
}
