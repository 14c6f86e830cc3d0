//! `#[derive(FromRow)]`: a struct from the columns of a row.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, FieldsNamed, LitStr, Result};

/// On a mistake the `impl` is there all the same: without it, each use of the type would be a second error.
pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    let (error, body) = match body(input) {
        Ok(body) => (None, body),
        Err(error) => (Some(error.to_compile_error()), quote!(::core::unreachable!())),
    };
    let name = &input.ident;
    let (parameters, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #error
        #[automatically_derived]
        impl #parameters ::sarsen::data::FromRow for #name #arguments #bounds {
            fn from_row(row: &::sarsen::data::Row<'_>) -> ::sarsen::Result<Self> {
                #body
            }
        }
    }
}

fn body(input: &DeriveInput) -> Result<TokenStream> {
    let mut hint = 0;
    let mut values = Vec::new();
    for field in &named_fields(input)?.named {
        let name = field.ident.as_ref().ok_or_else(|| Error::new(field.span(), "this field has no name"))?;
        values.push(match column(field)? {
            None => quote!(#name: ::core::default::Default::default()),
            Some(column) => {
                hint += 1;
                value(field, name, hint - 1, &column)
            }
        });
    }
    Ok(quote!(::core::result::Result::Ok(Self { #(#values),* })))
}

/// Spanned at the type, so that one which no column can hold is named where it stands.
fn value(field: &Field, name: &syn::Ident, hint: usize, column: &str) -> TokenStream {
    let ty = &field.ty;
    let read = quote_spanned!(ty.span()=> ::sarsen::data::Row::get_at::<#ty>(row, #hint, #column));
    quote!(#name: #read?)
}

fn named_fields(input: &DeriveInput) -> Result<&FieldsNamed> {
    let name = &input.ident;
    let problem = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Ok(fields),
            Fields::Unnamed(_) => format!(
                "FromRow reads columns by the names of the fields, and those of `{name}` have none: name them, or read the row into a plain tuple"
            ),
            Fields::Unit => format!("FromRow reads columns by the names of the fields, and `{name}` has no fields"),
        },
        _ => format!("FromRow is for structs: read `{name}` as a field of one, with a `FromValue` of its own"),
    };
    Err(Error::new(name.span(), problem))
}

/// The column that a field is read from; `None` when it is skipped.
fn column(field: &Field) -> Result<Option<String>> {
    let mut column = field.ident.as_ref().map(|name| name.unraw().to_string());
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                column = None;
                return Ok(());
            }
            if meta.path.is_ident("rename") {
                column = Some(meta.value()?.parse::<LitStr>()?.value());
                return Ok(());
            }
            Err(meta.error("expected `#[row(rename = \"column\")]` or `#[row(skip)]`"))
        })?;
    }
    Ok(column)
}
