//! The OpenAPI 3.1 document, made from the types of the handlers.

use super::problem::Problem;
use super::routes::ModuleRoutes;
use super::{blobs, budget};
use crate::error::{Error, Result};
use crate::telemetry::Budget;
use aide::generate::GenContext;
use aide::openapi::{
    ApiKeyLocation, Components, Info, MediaType, OpenApi, Operation, Parameter, ParameterData,
    ParameterSchemaOrContent, PathItem, PathStyle, ReferenceOr, Response, SchemaObject, SecurityRequirement,
    SecurityScheme,
};
use aide::transform::TransformOperation;
use http::Method;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Marks an operation whose handler asks who is there; taken away before anybody sees it.
const AUTH: &str = "x-sarsen-auth";
/// Marks an operation that pages of other origins may call; the document shows it.
const ANY_ORIGIN: &str = "x-any-origin";
/// Keeps the schemas of path parameters that have no names of their own, until the pattern gives them.
const PATH: &str = "x-sarsen-path";

/// What the document says of the application.
#[derive(Clone, Debug)]
pub struct About {
    /// Its name.
    pub title: String,
    /// Its version.
    pub version: String,
}

impl Default for About {
    fn default() -> Self {
        Self { title: "sarsen".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// Makes this thread ready to gather a module's documentation, in the JSON Schema of OpenAPI 3.1.
pub(super) fn prepare() {
    aide::generate::reset_context();
    aide::generate::in_context(|context| {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.meta_schema = None;
            settings.definitions_path = "/components/schemas".into();
        });
        context.schema = SchemaGenerator::new(settings);
    });
}

/// A route of the document, as the stack has to know it.
pub(super) struct Documented {
    pub(super) method: Method,
    pub(super) pattern: String,
    /// Whether the handler asks who is there.
    pub(super) auth: bool,
    /// Whether pages of other origins may call it.
    pub(super) any_origin: bool,
    /// Whether it takes files, which may be larger than other bodies.
    pub(super) uploads: bool,
    /// What it promises.
    pub(super) budget: Option<Budget>,
}

/// Lets pages of other origins call the route: for one that trusts no cookie, because what it takes is signed.
///
/// `post_with(receive, |op| any_origin(op.summary("Take a signed message")))`
pub fn any_origin(mut operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation.inner_mut().extensions.insert(ANY_ORIGIN.to_owned(), true.into());
    operation
}

/// Completes the document of one module, and lists its routes.
pub(super) fn finish(api: &mut OpenApi, module: &'static str) -> Vec<Documented> {
    let mut routes = Vec::new();
    let Some(paths) = api.paths.as_mut() else { return routes };
    for (pattern, item) in &mut paths.paths {
        let Some(item) = item.as_item_mut() else { continue };
        for (method, operation) in operations(item) {
            let auth = operation.extensions.shift_remove(AUTH).is_some();
            let budget = budget::take(operation);
            let uploads = blobs::take_uploads(operation);
            complete(operation, pattern, module);
            let any_origin = operation.extensions.contains_key(ANY_ORIGIN);
            routes.push(Documented { method, pattern: pattern.clone(), auth, any_origin, uploads, budget });
        }
    }
    routes
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, item.get.as_mut()),
        (Method::PUT, item.put.as_mut()),
        (Method::POST, item.post.as_mut()),
        (Method::DELETE, item.delete.as_mut()),
        (Method::OPTIONS, item.options.as_mut()),
        (Method::HEAD, item.head.as_mut()),
        (Method::PATCH, item.patch.as_mut()),
        (Method::TRACE, item.trace.as_mut()),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation?)))
}

fn complete(operation: &mut Operation, pattern: &str, module: &str) {
    if operation.tags.is_empty() && !module.is_empty() {
        operation.tags.push(module.to_owned());
    }
    let schemas: Vec<Schema> = match operation.extensions.shift_remove(PATH) {
        Some(serde_json::Value::Array(schemas)) => {
            schemas.into_iter().filter_map(|schema| schema.try_into().ok()).collect()
        }
        _ => Vec::new(),
    };
    let names = path_names(pattern);
    for (index, name) in names.iter().enumerate() {
        if !operation.parameters.iter().any(|parameter| is_path(parameter, name)) {
            let schema = schemas.get(index).cloned().unwrap_or_else(|| schemars::json_schema!({ "type": "string" }));
            operation.parameters.push(ReferenceOr::Item(path_parameter(name, schema)));
        }
    }
}

fn is_path(parameter: &ReferenceOr<Parameter>, name: &str) -> bool {
    matches!(parameter.as_item(), Some(Parameter::Path { parameter_data, .. }) if parameter_data.name == name)
}

/// What a pattern names in the path, in its order.
pub(super) fn path_names(pattern: &str) -> Vec<&str> {
    let names = pattern.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    names.map(|(name, _)| name.trim_start_matches('*')).collect()
}

fn path_parameter(name: &str, json_schema: Schema) -> Parameter {
    let schema = SchemaObject { json_schema, example: None, external_docs: None };
    Parameter::Path {
        parameter_data: ParameterData {
            name: name.to_owned(),
            description: None,
            required: true,
            deprecated: None,
            format: ParameterSchemaOrContent::Schema(schema),
            example: None,
            examples: Default::default(),
            explode: None,
            extensions: Default::default(),
        },
        style: PathStyle::Simple,
    }
}

/// Joins the documents of the modules. Two types of one name stay apart: the second gets its module's name in front.
pub(super) fn join<'a>(
    about: &About,
    cookie: &str,
    modules: impl Iterator<Item = &'a ModuleRoutes>,
) -> Result<OpenApi> {
    let mut all = OpenApi {
        info: Info { title: capitalised(&about.title), version: about.version.clone(), ..Info::default() },
        ..OpenApi::default()
    };
    let mut components = Components { security_schemes: schemes(cookie), ..Components::default() };
    for module in modules {
        let api = apart(module, &components)?;
        let paths = all.paths.get_or_insert_default();
        for (pattern, item) in api.paths.into_iter().flat_map(|paths| paths.paths) {
            match paths.paths.get_mut(&pattern).and_then(ReferenceOr::as_item_mut) {
                Some(there) => there.merge_with(item.into_item().unwrap_or_default()),
                None => drop(paths.paths.insert(pattern, item)),
            }
        }
        components.schemas.extend(api.components.unwrap_or_default().schemas);
    }
    all.components = Some(components);
    Ok(all)
}

/// The module's document, with other names for those of its types whose names are `taken` by different ones.
fn apart(module: &ModuleRoutes, taken: &Components) -> Result<OpenApi> {
    let mine = module.api.components.as_ref().map(|components| &components.schemas);
    let differs =
        |name: &str| taken.schemas.get(name).is_some_and(|there| mine.and_then(|mine| mine.get(name)) != Some(there));
    let clashes: Vec<&str> =
        mine.into_iter().flat_map(|mine| mine.keys()).map(String::as_str).filter(|name| differs(name)).collect();
    if clashes.is_empty() {
        return Ok(module.api.clone());
    }
    let wrong = |error| Error::internal(format!("the types of `{}` cannot be renamed", module.module)).source(error);
    let mut document = serde_json::to_value(&module.api).map_err(wrong)?;
    let prefix = capitalised(module.module);
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(serde_json::Value::as_object_mut) {
        for name in &clashes {
            let schema = schemas.remove(*name).unwrap_or_default();
            schemas.insert(format!("{prefix}{name}"), schema);
        }
    }
    rename(&mut document, &clashes, &prefix);
    // Through text, because the type reads its version as a borrowed one.
    serde_json::from_str(&document.to_string()).map_err(wrong)
}

/// A name as a title: `parley` is shown as `Parley`.
fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Changes the references to the types of these names.
fn rename(value: &mut serde_json::Value, names: &[&str], prefix: &str) {
    match value {
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names, prefix)),
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                let name = value.as_str().and_then(|text| text.strip_prefix("#/components/schemas/"));
                match name.filter(|name| key == "$ref" && names.contains(name)) {
                    Some(name) => *value = format!("#/components/schemas/{prefix}{name}").into(),
                    None => rename(value, names, prefix),
                }
            }
        }
        _ => {}
    }
}

fn schemes<C: FromIterator<(String, ReferenceOr<SecurityScheme>)>>(cookie: &str) -> C {
    let session = SecurityScheme::ApiKey {
        location: ApiKeyLocation::Cookie,
        name: cookie.to_owned(),
        description: Some("The cookie of a browser that has signed in".to_owned()),
        extensions: Default::default(),
    };
    let bearer = SecurityScheme::Http {
        scheme: "bearer".to_owned(),
        bearer_format: None,
        description: Some("A token, for programs".to_owned()),
        extensions: Default::default(),
    };
    [("session".to_owned(), ReferenceOr::Item(session)), ("bearer".to_owned(), ReferenceOr::Item(bearer))]
        .into_iter()
        .collect()
}

/// Notes that the handler asks who is there, and whether somebody must be.
pub(super) fn describe_auth(operation: &mut Operation, required: bool) {
    operation.extensions.insert(AUTH.to_owned(), true.into());
    if required {
        let one = |name: &str| SecurityRequirement::from_iter([(name.to_owned(), Vec::new())]);
        operation.security = vec![one("session"), one("bearer")];
    }
}

/// Keeps the schemas of path parameters without names: of one value, or of the parts of a tuple.
pub(super) fn describe_path(operation: &mut Operation, schema: &Schema) {
    let parts = schema.get("prefixItems").and_then(serde_json::Value::as_array).cloned();
    let parts = parts.unwrap_or_else(|| vec![schema.clone().to_value()]);
    operation.extensions.insert(PATH.to_owned(), serde_json::Value::Array(parts));
}

/// The answer with a value of `T` as its JSON.
pub(super) fn json_response<T: JsonSchema>(context: &mut GenContext, description: &str) -> Response {
    response::<T>(context, "application/json", description)
}

/// The answer that every route may give when something is wrong.
pub(super) fn problem_response(context: &mut GenContext) -> Response {
    response::<Problem>(context, "application/problem+json", "What is wrong, as a problem document (RFC 9457)")
}

fn response<T: JsonSchema>(context: &mut GenContext, content_type: &str, description: &str) -> Response {
    let media = media::<T>(context);
    Response {
        description: description.to_owned(),
        content: [(content_type.to_owned(), media)].into_iter().collect(),
        ..Response::default()
    }
}

/// The schema of `T`, as a media type has it.
pub(super) fn media<T: JsonSchema>(context: &mut GenContext) -> MediaType {
    let json_schema = context.schema.subschema_for::<T>();
    let schema = Some(SchemaObject { json_schema, example: None, external_docs: None });
    MediaType { schema, ..MediaType::default() }
}
