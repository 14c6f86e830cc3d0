//! One method of a module API: what it may be, and what is generated for it.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, LitStr, Pat, PathArguments, Receiver, ReceiverKind, Result,
    ReturnType, Signature, TraitItemFn, Type, Visibility,
};

pub(super) const GENERIC: &str =
    "a module API method cannot be generic: the other side of the wire would not know the type";

const RESULT: &str = "a module API method returns `Result<T, YourError>`";

/// Names of the handle itself.
const TAKEN: [&str; 3] = ["local", "clone", "slot"];

pub(super) struct Method {
    pub(super) name: Ident,
    documentation: Vec<Attribute>,
    arguments: Vec<(Ident, Type)>,
    ok: Type,
    error: Type,
    idempotent: bool,
    deadline_ms: Option<u64>,
}

/// Whether an attribute is for this macro, not for rustc.
pub(super) fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("idempotent") || attribute.path().is_ident("deadline")
}

impl Method {
    pub(super) fn read(method: &TraitItemFn) -> Result<Self> {
        let signature = &method.sig;
        check_shape(method)?;
        let (ok, error) = result_types(signature)?;
        let mut deadline_ms = None;
        for attribute in method.attrs.iter().filter(|attribute| attribute.path().is_ident("deadline")) {
            deadline_ms = Some(milliseconds(&attribute.parse_args()?)?);
        }
        Ok(Self {
            name: signature.ident.clone(),
            documentation: method.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned().collect(),
            arguments: signature.inputs.iter().skip(1).map(argument).collect::<Result<_>>()?,
            ok,
            error,
            idempotent: method.attrs.iter().any(|attribute| attribute.path().is_ident("idempotent")),
            deadline_ms,
        })
    }

    pub(super) fn types(&self) -> impl Iterator<Item = &Type> {
        self.arguments.iter().map(|(_, ty)| ty).chain([&self.ok, &self.error])
    }

    pub(super) fn argument_names(&self) -> Vec<&Ident> {
        self.arguments.iter().map(|(name, _)| name).collect()
    }

    fn typed_arguments(&self) -> Vec<TokenStream> {
        self.arguments.iter().map(|(name, ty)| quote!(#name: #ty)).collect()
    }

    /// The method of the mirror.
    pub(super) fn boxed_signature(&self) -> TokenStream {
        let (name, arguments, ok, error) = (&self.name, self.typed_arguments(), &self.ok, &self.error);
        quote! {
            fn #name<'a>(&'a self #(, #arguments)*)
                -> ::sarsen::module::BoxFuture<'a, ::core::result::Result<#ok, #error>>
        }
    }

    /// The method of the handle.
    pub(super) fn called(&self, visibility: &Visibility, index: usize) -> TokenStream {
        let (name, documentation, ok, error) = (&self.name, &self.documentation, &self.ok, &self.error);
        let (names, arguments) = (self.argument_names(), self.typed_arguments());
        let module = Ident::new("module", Span::mixed_site());
        quote! {
            #(#documentation)*
            ///
            /// Fails with `CallError::App` when the module answers with its own error, and with `CallError::Failed` when the call itself failed.
            #visibility async fn #name(&self #(, #arguments)*) -> ::core::result::Result<#ok, ::sarsen::CallError<#error>> {
                ::sarsen::module::call(&self.0, #index, move |#module| #module.#name(#(#names),*)).await
            }
        }
    }

    /// Its entry in the description of the API.
    pub(super) fn description(&self) -> TokenStream {
        let (name, idempotent) = (self.name.to_string(), self.idempotent);
        let arguments = self.arguments.iter().map(|(name, ty)| format!("{name}: {}", shown(ty)));
        let arguments = arguments.collect::<Vec<_>>().join(", ");
        let signature = format!("{name}({arguments}) -> Result<{}, {}>", shown(&self.ok), shown(&self.error));
        let deadline = match self.deadline_ms {
            Some(limit) => quote!(::core::option::Option::Some(::core::time::Duration::from_millis(#limit))),
            None => quote!(::core::option::Option::None),
        };
        quote! {
            ::sarsen::module::MethodDesc { name: #name, signature: #signature, idempotent: #idempotent, deadline: #deadline }
        }
    }
}

fn check_shape(method: &TraitItemFn) -> Result<()> {
    let signature = &method.sig;
    if signature.asyncness.is_none() {
        let problem = "a module API method is an `async fn`: it may be answered by another process";
        return Err(Error::new(signature.fn_token.span(), problem));
    }
    if let Some(parameter) = signature.generics.params.first() {
        return Err(Error::new(parameter.span(), GENERIC));
    }
    if let Some(body) = &method.default {
        let problem = "a module API method has no body here; write it in `impl … for YourModule`";
        return Err(Error::new(body.span(), problem));
    }
    if TAKEN.contains(&signature.ident.to_string().as_str()) {
        let problem = format!("the handle has a method `{0}` of its own: give this one another name", signature.ident);
        return Err(Error::new(signature.ident.span(), problem));
    }
    match signature.receiver() {
        Some(Receiver { mutability: None, kind: ReceiverKind::Reference(_, _, None), .. }) => Ok(()),
        other => {
            let span = other.map_or(signature.ident.span(), Spanned::span);
            Err(Error::new(span, "the first argument of a module API method is `&self`"))
        }
    }
}

fn argument(argument: &FnArg) -> Result<(Ident, Type)> {
    let FnArg::Typed(typed) = argument else {
        return Err(Error::new(argument.span(), "`&self` comes first"));
    };
    let Pat::Ident(name) = &*typed.pat else {
        return Err(Error::new(
            typed.pat.span(),
            "give this argument a plain name: its name is part of the wire format",
        ));
    };
    if matches!(&*typed.ty, Type::ImplTrait(_)) {
        return Err(Error::new(typed.ty.span(), GENERIC));
    }
    check_owned(&typed.ty, "an argument")?;
    Ok((name.ident.clone(), (*typed.ty).clone()))
}

/// A transaction, a connection or anything borrowed cannot cross to another process.
fn check_owned(ty: &Type, what: &str) -> Result<()> {
    let problem = format!("{what} of a module API is owned, because it may cross to another process");
    match ty {
        Type::Reference(reference) => {
            let inner = shown(&reference.elem);
            let owned = if inner == "str" { "String" } else { &inner };
            Err(Error::new(ty.span(), format!("{problem}: use `{owned}`")))
        }
        ty if borrows(ty.to_token_stream()) => Err(Error::new(ty.span(), format!("{problem}: use a type without `&`"))),
        _ => Ok(()),
    }
}

fn borrows(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Punct(punct) => punct.as_char() == '&',
        TokenTree::Group(group) => borrows(group.stream()),
        _ => false,
    })
}

fn result_types(signature: &Signature) -> Result<(Type, Type)> {
    let ReturnType::Type(_, output) = &signature.output else {
        return Err(Error::new(signature.ident.span(), RESULT));
    };
    let wrong = || Error::new(output.span(), RESULT);
    let Type::Path(path) = &**output else { return Err(wrong()) };
    let last = path.path.segments.last().filter(|last| last.ident == "Result").ok_or_else(wrong)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Err(wrong()) };
    let types: Vec<&GenericArgument> = arguments.args.iter().collect();
    let [GenericArgument::Type(ok), GenericArgument::Type(error)] = types.as_slice() else { return Err(wrong()) };
    check_owned(ok, "a result")?;
    check_owned(error, "an error")?;
    Ok((ok.clone(), error.clone()))
}

/// `"250ms"` or `"2s"`.
fn milliseconds(text: &LitStr) -> Result<u64> {
    let value = text.value();
    let (digits, unit) = match value.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (value.strip_suffix('s').unwrap_or_default(), 1_000),
    };
    let count: Option<u64> = digits.parse().ok().filter(|count| *count > 0);
    count
        .and_then(|count| count.checked_mul(unit))
        .ok_or_else(|| Error::new(text.span(), "expected a time such as `\"250ms\"` or `\"2s\"`"))
}

/// A type as one writes it, not as tokens print.
fn shown(ty: &Type) -> String {
    let mut text = ty.to_token_stream().to_string();
    for (from, to) in
        [(" :: ", "::"), (":: ", "::"), (" < ", "<"), ("< ", "<"), (" <", "<"), (" >", ">"), (" ,", ","), ("& ", "&")]
    {
        text = text.replace(from, to);
    }
    text
}
