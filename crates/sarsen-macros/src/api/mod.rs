//! `#[sarsen::api]`: a trait, its hidden dyn-compatible mirror, and the handle that others hold.

mod method;

use method::Method;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use std::collections::BTreeSet;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Ident, ItemTrait, LitStr, Result, Token, TraitItem, Type, parse_quote};

/// `name = "accounts", handle = Accounts`
pub(crate) struct Arguments {
    name: LitStr,
    handle: Ident,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        const FORM: &str = "expected `#[sarsen::api(name = \"accounts\", handle = Accounts)]`";
        let (mut name, mut handle) = (None, None);
        while !input.is_empty() {
            let key: Ident = input.parse().map_err(|error| Error::new(error.span(), FORM))?;
            input.parse::<Token![=]>().map_err(|error| Error::new(error.span(), FORM))?;
            match key.to_string().as_str() {
                "name" => name = Some(input.parse()?),
                "handle" => handle = Some(input.parse()?),
                _ => return Err(Error::new(key.span(), FORM)),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        match (name, handle) {
            (Some(name), Some(handle)) => Ok(Self { name, handle }),
            _ => Err(Error::new(Span::call_site(), FORM)),
        }
    }
}

/// On a mistake the trait stays as it was written: without it, each use of it would be a second error.
pub(crate) fn expand(arguments: Result<Arguments>, mut item: ItemTrait) -> TokenStream {
    let read = arguments.and_then(|arguments| Ok((arguments, methods(&item)?)));
    for method in item.items.iter_mut() {
        if let TraitItem::Fn(method) = method {
            method.attrs.retain(|attribute| !method::is_ours(attribute));
        }
    }
    match read {
        Ok((arguments, methods)) => Api { arguments, item, methods }.expand(),
        Err(error) => {
            let error = error.to_compile_error();
            quote!(#error #[allow(async_fn_in_trait)] #item)
        }
    }
}

/// All the methods, or all that is wrong with them.
fn methods(item: &ItemTrait) -> Result<Vec<Method>> {
    if let Some(parameter) = item.generics.params.first() {
        return Err(Error::new(parameter.span(), method::GENERIC));
    }
    let mut methods = Vec::new();
    let mut problems: Option<Error> = None;
    for item in &item.items {
        let read = match item {
            TraitItem::Fn(method) => Method::read(method),
            other => Err(Error::new(other.span(), "a module API holds only `async fn` methods")),
        };
        match (read, &mut problems) {
            (Ok(method), _) => methods.push(method),
            (Err(error), Some(problems)) => problems.combine(error),
            (Err(error), None) => problems = Some(error),
        }
    }
    problems.map_or(Ok(methods), Err)
}

struct Api {
    arguments: Arguments,
    item: ItemTrait,
    methods: Vec<Method>,
}

impl Api {
    fn expand(&self) -> TokenStream {
        let parts = [self.implemented(), self.mirror(), self.handle(), self.bounds()];
        quote!(#(#parts)*)
    }

    /// The trait that the module implements: `impl Future + Send`, for which an implementation may write `async fn`.
    fn implemented(&self) -> TokenStream {
        let mut item = self.item.clone();
        for method in &mut item.items {
            if let TraitItem::Fn(method) = method {
                let syn::ReturnType::Type(_, output) = &method.sig.output else { continue };
                let output = output.clone();
                method.sig.asyncness = None;
                method.sig.output =
                    parse_quote!(-> impl ::core::future::Future<Output = #output> + ::core::marker::Send);
            }
        }
        item.supertraits.push(parse_quote!(::core::marker::Send));
        item.supertraits.push(parse_quote!(::core::marker::Sync));
        item.supertraits.push(parse_quote!('static));
        quote!(#item)
    }

    fn mirror_name(&self) -> Ident {
        format_ident!("__{}Dyn", self.item.ident)
    }

    /// The same methods with boxed futures, because a trait with `async fn` cannot be an object.
    fn mirror(&self) -> TokenStream {
        let (visibility, api, mirror) = (&self.item.vis, &self.item.ident, self.mirror_name());
        let signatures: Vec<_> = self.methods.iter().map(Method::boxed_signature).collect();
        let bodies = self.methods.iter().map(|method| {
            let (name, arguments) = (&method.name, method.argument_names());
            quote!(::std::boxed::Box::pin(<__Module as #api>::#name(self #(, #arguments)*)))
        });
        quote! {
            #[doc(hidden)]
            #visibility trait #mirror: ::core::marker::Send + ::core::marker::Sync + 'static {
                #(#signatures;)*
            }

            impl<__Module: #api> #mirror for __Module {
                #(#signatures { #bodies })*
            }
        }
    }

    fn handle(&self) -> TokenStream {
        let (visibility, api, mirror) = (&self.item.vis, &self.item.ident, self.mirror_name());
        let (name, handle) = (&self.arguments.name, &self.arguments.handle);
        let documentation = format!("How other modules call `{}`: a handle, cheap to clone.", name.value());
        let local = format!("A handle on this implementation, for tests: `{handle}::local(Fake)`.");
        let described = self.methods.iter().map(Method::description);
        let methods = self.methods.iter().enumerate().map(|(index, method)| method.called(visibility, index));
        quote! {
            #[doc = #documentation]
            #[derive(Clone, Debug)]
            #visibility struct #handle(::std::sync::Arc<::sarsen::module::Slot<dyn #mirror>>);

            impl #handle {
                #[doc = #local]
                #visibility fn local(api: impl #api) -> Self {
                    Self(::std::sync::Arc::new(::sarsen::module::Slot::bound_to(
                        &<Self as ::sarsen::module::Api>::DESC,
                        ::std::sync::Arc::new(api),
                    )))
                }

                #(#methods)*
            }

            impl ::sarsen::module::Api for #handle {
                type Dyn = dyn #mirror;
                const DESC: ::sarsen::module::ApiDesc =
                    ::sarsen::module::ApiDesc { name: #name, methods: &[#(#described),*] };

                fn unbound() -> Self {
                    Self(::std::sync::Arc::new(::sarsen::module::Slot::new(&Self::DESC)))
                }

                fn slot(&self) -> &::sarsen::module::Slot<dyn #mirror> {
                    &self.0
                }
            }

            impl<__Module: #api> ::sarsen::module::ServedBy<__Module> for #handle {
                fn erase(module: ::std::sync::Arc<__Module>) -> ::std::sync::Arc<dyn #mirror> {
                    module
                }
            }
        }
    }

    /// One bound per type, at the type: a missing derive is one group of errors, where it is missing.
    fn bounds(&self) -> TokenStream {
        let mut seen = BTreeSet::new();
        let types = self.methods.iter().flat_map(Method::types);
        let fresh: Vec<&Type> = types.filter(|ty| seen.insert(quote!(#ty).to_string())).collect();
        let bounds =
            fresh.iter().map(|ty| quote_spanned!(ty.span()=> const _: () = ::sarsen::module::crosses::<#ty>();));
        quote!(#(#bounds)*)
    }
}
