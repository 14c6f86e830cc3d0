//! The words of the compiler when modules are put together wrongly: they are part of the product.

/// All in one test, so that the dependencies are checked once. `TRYBUILD=overwrite` writes the expectations anew.
#[test]
fn mistakes_are_explained_where_they_are_made() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
