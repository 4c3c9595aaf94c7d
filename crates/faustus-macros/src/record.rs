//! `#[derive(Record)]`: reads a struct, refuses what it cannot serve, writes the implementation.

use std::collections::HashSet;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, Field, Fields, Result, Token, ext::IdentExt,
    punctuated::Punctuated,
};

use crate::names::{Serde, text};

/// The code for `input`, or the reason why there is none.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named_fields(input)?;
    let namespace = namespace(input)?;
    let rename_all = Serde::read(&input.attrs)?.rename_all;

    let record = &input.ident;
    let mut constants = Vec::with_capacity(fields.len());
    let mut names = Vec::with_capacity(fields.len());
    let mut taken = HashSet::new();
    for field in fields {
        refuse_record_attribute(field)?;
        let serde = Serde::read(&field.attrs)?;
        let ident = field
            .ident
            .as_ref()
            .ok_or_else(|| only_named_structs(input))?;
        let plain = ident.unraw().to_string();
        let name = match (serde.rename, rename_all) {
            (Some(name), _) => name,
            (None, Some(case)) => case.apply(&plain),
            (None, None) => plain.clone(),
        };
        let constant = format_ident!("{}", plain.to_uppercase(), span = ident.span());
        if !taken.insert(constant.to_string()) {
            return Err(Error::new_spanned(
                ident,
                format!(
                    "another field has the constant `{record}::{constant}` already; rename one of them"
                ),
            ));
        }
        constants.push(constant_for(record, field, ident, &constant, &name));
        if !serde.nameless {
            names.push(name);
        }
    }

    Ok(quote! {
        #[automatically_derived]
        #[allow(dead_code, non_upper_case_globals, unreachable_pub)]
        impl #record {
            #(#constants)*
        }

        #[automatically_derived]
        impl ::faustus::Record for #record {
            const NAMESPACE: &'static str = #namespace;

            fn fields() -> &'static [&'static str] {
                &[#(#names),*]
            }
        }
    })
}

/// `pub const ACCOUNT_ID: Field<Order, String> = …;`
fn constant_for(
    record: &Ident,
    field: &Field,
    ident: &Ident,
    constant: &Ident,
    name: &str,
) -> TokenStream {
    let Field { vis, ty, .. } = field;
    let doc = format!("The field `{}`.", ident.unraw());
    quote! {
        #[doc = #doc]
        #vis const #constant: ::faustus::Field<#record, #ty> =
            ::faustus::Field::new(#name, |record: &#record| &record.#ident);
    }
}

fn named_fields(input: &DeriveInput) -> Result<&Punctuated<Field, Token![,]>> {
    let Data::Struct(data) = &input.data else {
        return Err(only_named_structs(input));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(only_named_structs(input));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &input.generics,
            "a record has no type, lifetime or const parameters; write out the types of its fields",
        ));
    }
    Ok(&fields.named)
}

fn only_named_structs(input: &DeriveInput) -> Error {
    let what = match &input.data {
        Data::Enum(_) => "an enum",
        Data::Union(_) => "a union",
        Data::Struct(_) => "a struct without named fields",
    };
    Error::new_spanned(
        &input.ident,
        format!(
            "a record is a struct with named fields, `{}` is {what}; put it into a field of such a struct",
            input.ident
        ),
    )
}

/// The value of `#[record(namespace = "…")]`, or the name of the struct.
fn namespace(input: &DeriveInput) -> Result<String> {
    let mut namespace = None;
    for attribute in record_attributes(&input.attrs) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("namespace") {
                return Err(
                    meta.error("unknown attribute; a record knows `#[record(namespace = \"…\")]`")
                );
            }
            if namespace.is_some() {
                return Err(meta.error("`namespace` is given twice"));
            }
            namespace = Some(text(&meta.value()?.parse::<Expr>()?)?);
            Ok(())
        })?;
    }
    Ok(namespace.unwrap_or_else(|| input.ident.unraw().to_string()))
}

fn refuse_record_attribute(field: &Field) -> Result<()> {
    match record_attributes(&field.attrs).next() {
        Some(attribute) => Err(Error::new_spanned(
            attribute,
            "a field knows no `#[record(…)]`; only the struct does",
        )),
        None => Ok(()),
    }
}

fn record_attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|a| a.path().is_ident("record"))
}
