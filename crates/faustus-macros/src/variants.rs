//! `#[derive(Record)]` on an enum: one of several records, told apart by their namespaces.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Error, Fields, Result, Type, Variant};

use crate::attributes::{Options, refuse_on_field};

/// The code for the enum `input`, or the reason why there is none.
pub(crate) fn expand(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    let options = Options::read(input)?;
    if options.validate {
        return Err(Error::new_spanned(
            &input.ident,
            "an enum is not validated itself; put `#[record(validate)]` on the records in it",
        ));
    }
    if let Some(attribute) = input.attrs.iter().find(|a| a.path().is_ident("serde")) {
        return Err(Error::new_spanned(
            attribute,
            "`Record` makes `Serialize` and `Deserialize` for an enum of records; leave serde out",
        ));
    }
    if data.variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "an enum of records has at least one variant, as in `Circle(Circle)`",
        ));
    }
    let name = &input.ident;
    let namespace = &options.namespace;
    let records = data
        .variants
        .iter()
        .map(|variant| record_of(name, variant))
        .collect::<Result<Vec<_>>>()?;
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();

    Ok(quote! {
        const _: () = {
            // That something is no record is said once, by what needs it to be one.
            #[allow(unused_imports)]
            use ::faustus::__private::Unshaped as _;

            #[automatically_derived]
            impl ::faustus::__private::Shaped for #name {
                fn shape() -> ::faustus::__private::Shape {
                    ::faustus::__private::Shape::OneOf(&[
                        #(<::faustus::__private::Probe<#records>>::SHAPE),*
                    ])
                }
            }

            #[automatically_derived]
            impl ::faustus::Record for #name {
                const NAMESPACE: &'static str = #namespace;

                fn fields() -> &'static [&'static str] {
                    &[]
                }
            }

            #[automatically_derived]
            impl ::faustus::__private::serde::Serialize for #name {
                fn serialize<__S: ::faustus::__private::serde::Serializer>(
                    &self,
                    serializer: __S,
                ) -> ::std::result::Result<__S::Ok, __S::Error> {
                    match self {
                        #(Self::#variants(record) => ::faustus::__private::polymorphic::serialize(
                            record,
                            <#records as ::faustus::Record>::NAMESPACE,
                            serializer,
                        ),)*
                    }
                }
            }

            #[automatically_derived]
            impl<'de> ::faustus::__private::serde::Deserialize<'de> for #name {
                fn deserialize<__D: ::faustus::__private::serde::Deserializer<'de>>(
                    deserializer: __D,
                ) -> ::std::result::Result<Self, __D::Error> {
                    ::faustus::__private::polymorphic::deserialize(deserializer, &[
                        #(::faustus::__private::polymorphic::Variant {
                            namespace: <#records as ::faustus::Record>::NAMESPACE,
                            read: |value| ::faustus::__private::polymorphic::read(value).map(Self::#variants),
                        },)*
                    ])
                }
            }
        };
    })
}

/// The type of the record that a variant holds.
fn record_of<'a>(name: &syn::Ident, variant: &'a Variant) -> Result<&'a Type> {
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            let field = &fields.unnamed[0];
            refuse_on_field(field)?;
            Ok(&field.ty)
        }
        _ => Err(Error::new_spanned(
            variant,
            format!(
                "each variant of `{name}` must hold one record, as in `Circle(Circle)`; an enum of \
                 other things stands in a field of a struct"
            ),
        )),
    }
}
