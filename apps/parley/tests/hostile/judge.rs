//! What every answer must be, whatever was asked.

use crate::document::{self, Operation};
use crate::request::{Attack, Expect};
use crate::schema::Schemas;
use crate::stage::Answer;
use axum::http::Method;
use serde_json::Value;

/// Fails with what is wrong with the answer.
pub(crate) fn judge(attack: &Attack, operation: &Operation, schemas: &Schemas, answer: &Answer) -> Result<(), String> {
    if let Some(fault) = &answer.fault {
        return Err(format!("a fault: {fault}"));
    }
    let status = answer.status.as_u16();
    if status >= 500 {
        return Err("a status of the server's faults".to_owned());
    }
    let refused = status >= 400;
    // What HEAD is answered has no body.
    if refused && attack.method != Method::HEAD {
        is_problem(answer)?;
    }
    // What is answered to another method stands in another operation.
    if attack.method == operation.method {
        is_documented(operation, schemas, answer)?;
    }
    match &attack.expect {
        Expect::Field(field) if status == 400 || status == 422 => names(answer, field),
        Expect::Named(field) if refused => names(answer, field),
        Expect::Named(_) | Expect::Refused if !refused => Err("it was taken".to_owned()),
        Expect::Status(wanted) if *wanted != status => Err(format!("not the status {wanted}")),
        _ => Ok(()),
    }
}

fn is_problem(answer: &Answer) -> Result<(), String> {
    let problem = answer.json();
    let text = |key: &str| problem[key].as_str().unwrap_or_default();
    if answer.header("content-type") != "application/problem+json" {
        return Err(format!("no problem document: {}", answer.header("content-type")));
    }
    if text("title").is_empty() || text("type").is_empty() || problem["status"] != answer.status.as_u16() {
        return Err("the problem has no title, no type or another status".to_owned());
    }
    if text("trace_id").is_empty() || text("trace_id") != answer.header("x-request-id") {
        return Err("the problem does not have the id of its request".to_owned());
    }
    Ok(())
}

fn is_documented(operation: &Operation, schemas: &Schemas, answer: &Answer) -> Result<(), String> {
    match document::response_schema(operation, answer.status.as_u16())? {
        Some(schema) => schemas.check(schema, &answer.json()).map_err(|error| format!("not as documented: {error}")),
        None if answer.body.is_empty() => Ok(()),
        None => Err("a body that is not documented".to_owned()),
    }
}

fn names(answer: &Answer, field: &str) -> Result<(), String> {
    let problem = answer.json();
    let named = |error: &Value| {
        let rest = error["field"].as_str().and_then(|given| given.strip_prefix(field));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let errors = problem["errors"].as_array();
    if errors.is_some_and(|errors| errors.iter().any(named)) { Ok(()) } else { Err(format!("`{field}` is not named")) }
}
