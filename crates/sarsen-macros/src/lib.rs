//! The three macros of Sarsen: `FromRow`, `Deps` and `api`. Each expands to what one would write by hand.
//!
//! Use them through the crate `sarsen`, which re-exports them.

mod api;
mod deps;
mod from_row;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemTrait, parse_macro_input};

/// Reads a struct from the columns of a row, by the names of its fields.
///
/// `#[row(rename = "…")]` on a field names another column; `#[row(skip)]` leaves a field at its `Default`.
/// Rows without names for their columns are read into tuples, which needs no derive.
///
/// ```ignore
/// #[derive(sarsen::FromRow)]
/// struct Message { id: Uuid, text: String, #[row(rename = "author_id")] author: Uuid }
/// ```
#[proc_macro_derive(FromRow, attributes(row))]
pub fn from_row(input: TokenStream) -> TokenStream {
    from_row::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes a struct of handles the dependencies of a module.
///
/// Every field is the handle of a module API, so the application knows who calls whom.
///
/// ```ignore
/// #[derive(sarsen::Deps)]
/// pub struct Deps { pub accounts: Accounts }
/// ```
#[proc_macro_derive(Deps)]
pub fn deps(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    deps::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a trait the API of a module: what other modules may call, here or later in another process.
///
/// It generates one clonable handle with a method for each of the trait, whose error is `CallError<E>`, because a call may
/// fail where the module's own code would not. Arguments and results are owned and serializable.
///
/// `#[idempotent]` on a method says that calling it twice is as good as once; `#[deadline("200ms")]` limits one call.
///
/// ```ignore
/// #[sarsen::api(name = "accounts", handle = Accounts)]
/// pub trait AccountsApi {
///     /// One user.
///     #[idempotent]
///     async fn user(&self, id: UserId) -> Result<User, AccountsError>;
/// }
/// ```
#[proc_macro_attribute]
pub fn api(arguments: TokenStream, item: TokenStream) -> TokenStream {
    api::expand(syn::parse(arguments), parse_macro_input!(item as ItemTrait)).into()
}
