//! The served OpenAPI document, as far as attacks need it.

use axum::http::Method;
use serde_json::Value;

/// One operation of the document.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// `/v1/channels/{id}`.
    pub(crate) pattern: String,
    pub(crate) path: Vec<Parameter>,
    pub(crate) query: Vec<Parameter>,
    /// The schema of the JSON that it takes.
    pub(crate) body: Option<Value>,
    /// By status, or `default`.
    pub(crate) responses: Value,
    /// Whether somebody must be signed in.
    pub(crate) secured: bool,
    /// Whether pages of other sites may call it.
    pub(crate) any_origin: bool,
}

/// A part of the path or of the query.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) schema: Value,
}

/// The operations of a document.
pub(crate) fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(pattern, item)| {
        let methods = item.as_object().expect("operations").iter();
        methods.map(|(method, operation)| read(pattern, method, operation))
    });
    all.collect()
}

fn read(pattern: &str, method: &str, operation: &Value) -> Operation {
    Operation {
        method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
        pattern: pattern.to_owned(),
        path: parameters(operation, "path"),
        query: parameters(operation, "query"),
        body: operation["requestBody"]["content"]["application/json"].get("schema").cloned(),
        responses: operation["responses"].clone(),
        secured: operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty()),
        any_origin: operation["x-any-origin"] == true,
    }
}

fn parameters(operation: &Value, place: &str) -> Vec<Parameter> {
    let all = operation["parameters"].as_array().into_iter().flatten().filter(|parameter| parameter["in"] == place);
    let parameter = |it: &Value| Parameter {
        name: it["name"].as_str().unwrap().to_owned(),
        required: it["required"] == true,
        schema: it["schema"].clone(),
    };
    all.map(parameter).collect()
}

/// The schema of an answer: that of its status, or the default; an error when neither is documented.
pub(crate) fn response_schema(operation: &Operation, status: u16) -> Result<Option<&Value>, String> {
    let documented = operation.responses.get(status.to_string()).or_else(|| operation.responses.get("default"));
    let documented = documented.ok_or_else(|| format!("the status {status} is not documented"))?;
    let content = documented["content"].as_object().and_then(|content| content.values().next());
    Ok(content.map(|media| &media["schema"]))
}
