//! `#[derive(Deps)]`: a struct of handles that knows which modules it calls.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Result};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let wrong = || {
        Error::new(
            input.ident.span(),
            "Deps is a struct of named handles, such as `struct Deps { accounts: Accounts }`",
        )
    };
    let Data::Struct(data) = &input.data else { return Err(wrong()) };
    let fields = match &data.fields {
        Fields::Named(fields) => fields.named.iter().collect(),
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => return Err(wrong()),
    };
    let handles = fields.iter().filter_map(|field| {
        let name = field.ident.as_ref()?;
        Some(quote_spanned!(field.ty.span()=> ::sarsen::module::Dependency::on(&self.#name)))
    });
    let name = &input.ident;
    let (parameters, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters ::sarsen::Deps for #name #arguments #bounds {
            fn dependencies(&self) -> ::std::vec::Vec<::sarsen::module::Dependency> {
                ::std::vec![#(#handles),*]
            }
        }
    })
}
