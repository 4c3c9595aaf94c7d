//! `#[derive(Record)]` on a struct: reads it, refuses what it cannot serve, writes the implementation.

use std::collections::HashSet;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{
    Data, DataStruct, DeriveInput, Error, Field, Fields, Result, Token, ext::IdentExt,
    punctuated::Punctuated,
};

use crate::{
    attributes::{Options, refuse_on_field},
    names::Serde,
    variants,
};

/// The code for `input`, or the reason why there is none.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &input.generics,
            "a record has no type, lifetime or const parameters; write out the types of its fields",
        ));
    }
    match &input.data {
        Data::Struct(data) => expand_struct(input, data),
        Data::Enum(data) => variants::expand(input, data),
        Data::Union(_) => Err(Error::new_spanned(
            &input.ident,
            format!(
                "a record is a struct with named fields, `{}` is a union",
                input.ident
            ),
        )),
    }
}

fn expand_struct(input: &DeriveInput, data: &DataStruct) -> Result<TokenStream> {
    let fields = named_fields(input, data)?;
    let options = Options::read(input)?;
    let serde = Serde::read(&input.attrs)?;
    let validation = options
        .validate
        .then(|| validation(input, &serde))
        .transpose()?;

    let record = &input.ident;
    let mut constants = Vec::with_capacity(fields.len());
    let mut names = Vec::with_capacity(fields.len());
    let mut shapes = Vec::with_capacity(fields.len());
    let mut flattened = false;
    let mut taken = HashSet::new();
    for field in fields {
        refuse_on_field(field)?;
        let own = Serde::read(&field.attrs)?;
        let ident = field
            .ident
            .as_ref()
            .ok_or_else(|| only_named_structs(input))?;
        let plain = ident.unraw().to_string();
        let name = match (&own.rename, serde.rename_all) {
            (Some(name), _) => name.clone(),
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
        if own.skipped {
            continue;
        }
        let shape = shape_of(field, &own);
        if own.flattened {
            flattened = true;
            shapes.push(quote!(::faustus::__private::FieldShape::Flattened(#shape)));
        } else {
            shapes.push(quote!(::faustus::__private::FieldShape::Named(#name, #shape)));
            names.push(name);
        }
    }
    let fields = if flattened {
        quote! {
            static __FIELDS: ::std::sync::LazyLock<::std::vec::Vec<&'static str>> =
                ::std::sync::LazyLock::new(|| __RECORD.names());
            &__FIELDS
        }
    } else {
        quote!(&[#(#names),*])
    };

    let namespace = &options.namespace;
    Ok(quote! {
        #[automatically_derived]
        #[allow(dead_code, non_upper_case_globals, unreachable_pub)]
        impl #record {
            #(#constants)*
        }

        const _: () = {
            // What a field's type says of its shape if it does not say anything.
            #[allow(unused_imports)]
            use ::faustus::__private::Unshaped as _;

            static __RECORD: ::faustus::__private::RecordShape = ::faustus::__private::RecordShape {
                namespace: #namespace,
                fields: &[#(#shapes),*],
            };

            #[automatically_derived]
            impl ::faustus::__private::Shaped for #record {
                fn shape() -> ::faustus::__private::Shape {
                    ::faustus::__private::Shape::Record(&__RECORD)
                }
            }

            #[automatically_derived]
            impl ::faustus::Record for #record {
                const NAMESPACE: &'static str = #namespace;

                fn fields() -> &'static [&'static str] {
                    #fields
                }
            }

            #validation
        };
    })
}

/// Where the records are inside a field.
fn shape_of(field: &Field, serde: &Serde) -> TokenStream {
    let ty = &field.ty;
    if serde.by_function {
        return quote!(|| ::faustus::__private::Shape::Plain);
    }
    quote!(<::faustus::__private::Probe<#ty>>::SHAPE)
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

/// serde's traits for a record that is validated when it is read: what serde made, and the validation.
fn validation(input: &DeriveInput, serde: &Serde) -> Result<TokenStream> {
    let record = &input.ident;
    if !serde.remote {
        return Err(Error::new_spanned(
            record,
            format!(
                "to validate `{record}` when it is read, `Record` wraps what serde makes for it: \
                 derive `Serialize` and `Deserialize` too, and add `#[serde(remote = \"Self\")]`"
            ),
        ));
    }
    Ok(quote! {
        #[automatically_derived]
        impl ::faustus::__private::serde::Serialize for #record {
            fn serialize<__S: ::faustus::__private::serde::Serializer>(
                &self,
                serializer: __S,
            ) -> ::std::result::Result<__S::Ok, __S::Error> {
                // What serde made for `remote = "Self"` is a function of the type, which goes before
                // the trait's.
                #record::serialize(self, serializer)
            }
        }

        #[automatically_derived]
        impl<'de> ::faustus::__private::serde::Deserialize<'de> for #record {
            fn deserialize<__D: ::faustus::__private::serde::Deserializer<'de>>(
                deserializer: __D,
            ) -> ::std::result::Result<Self, __D::Error> {
                ::faustus::__private::validated(#record::deserialize(deserializer)?)
            }
        }
    })
}

fn named_fields<'a>(
    input: &DeriveInput,
    data: &'a DataStruct,
) -> Result<&'a Punctuated<Field, Token![,]>> {
    match &data.fields {
        Fields::Named(fields) => Ok(&fields.named),
        Fields::Unnamed(_) | Fields::Unit => Err(only_named_structs(input)),
    }
}

fn only_named_structs(input: &DeriveInput) -> Error {
    Error::new_spanned(
        &input.ident,
        format!(
            "a record is a struct with named fields, `{}` is a struct without named fields; put it \
             into a field of such a struct",
            input.ident
        ),
    )
}
