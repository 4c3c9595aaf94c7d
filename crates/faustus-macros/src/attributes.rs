//! The attributes `#[record(…)]`.

use syn::{
    Attribute, DeriveInput, Error, Expr, ExprLit, Field, Lit, Result, Token, ext::IdentExt,
    meta::ParseNestedMeta,
};

/// What `#[record(…)]` on a struct or an enum says.
pub(crate) struct Options {
    /// `namespace = "…"`, or the name of the type.
    pub(crate) namespace: String,
    /// `validate`.
    pub(crate) validate: bool,
}

impl Options {
    pub(crate) fn read(input: &DeriveInput) -> Result<Self> {
        let mut namespace = None;
        let mut validate = false;
        for attribute in record_attributes(&input.attrs) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("namespace") {
                    if namespace.is_some() {
                        return Err(meta.error("`namespace` is given twice"));
                    }
                    namespace = Some(text(&meta.value()?.parse::<Expr>()?)?);
                    Ok(())
                } else if meta.path.is_ident("validate") {
                    validate = true;
                    can_validate(&meta)
                } else {
                    Err(meta.error(
                        "unknown attribute; a record knows `#[record(namespace = \"…\")]` and \
                         `#[record(validate)]`",
                    ))
                }
            })?;
        }
        Ok(Self {
            namespace: namespace.unwrap_or_else(|| input.ident.unraw().to_string()),
            validate,
        })
    }
}

fn can_validate(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if cfg!(feature = "validate") {
        return Ok(());
    }
    Err(meta.error("`validate` needs the cargo feature `validate` of `faustus`"))
}

/// A field has no attributes of ours; says what serves instead.
pub(crate) fn refuse_on_field(field: &Field) -> Result<()> {
    let Some(attribute) = record_attributes(&field.attrs).next() else {
        return Ok(());
    };
    let mut said = "a field knows no `#[record(…)]`; only the struct does";
    attribute.parse_nested_meta(|meta| {
        if meta.path.is_ident("flatten") {
            said = "write `#[serde(flatten)]`; a record follows serde's attributes";
        } else if meta.path.is_ident("sensitive") {
            said = "give the field the type `faustus::Sensitive<…>` instead";
        } else if meta.input.peek(Token![=]) {
            meta.value()?.parse::<Expr>()?;
        }
        Ok(())
    })?;
    Err(Error::new_spanned(attribute, said))
}

fn record_attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|a| a.path().is_ident("record"))
}

/// The text of a string literal.
fn text(value: &Expr) -> Result<String> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Ok(text.value()),
        // What a macro of the program was given.
        Expr::Group(group) => text(&group.expr),
        other => Err(Error::new_spanned(
            other,
            "expected a text in quotes, as in `namespace = \"shop.Order\"`",
        )),
    }
}
