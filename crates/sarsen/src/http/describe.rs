//! What the extractors and answers say of themselves in the OpenAPI document.

use super::extract::{Created, Json, NoContent, Path, Query};
use super::openapi::{self, describe_path};
use super::signed::{Headers, Raw};
use crate::error::Error;
use aide::generate::GenContext;
use aide::openapi::{Operation, RequestBody, Response};
use aide::operation::{
    OperationInput, OperationOutput, ParamLocation, add_parameters, parameters_from_schema, set_body,
};
use schemars::JsonSchema;

impl<T: JsonSchema> OperationInput for Json<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        describe_body::<T>(context, operation);
    }

    fn inferred_early_responses(context: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        problem_once(context, operation)
    }
}

fn describe_body<T: JsonSchema>(context: &mut GenContext, operation: &mut Operation) {
    let content = [("application/json".to_owned(), openapi::media::<T>(context))].into_iter().collect();
    let body = RequestBody { description: None, content, required: true, extensions: Default::default() };
    set_body(context, operation, body);
}

impl<T: JsonSchema, const MOST: usize> OperationInput for Raw<T, MOST> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        describe_body::<T>(context, operation);
    }

    fn inferred_early_responses(context: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        problem_once(context, operation)
    }
}

impl<T: JsonSchema> OperationInput for Headers<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = context.schema.subschema_for::<T>();
        let parameters = parameters_from_schema(context, schema, ParamLocation::Header);
        add_parameters(context, operation, parameters);
    }

    fn inferred_early_responses(context: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        problem_once(context, operation)
    }
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = context.schema.subschema_for::<T>();
        let parameters = parameters_from_schema(context, schema, ParamLocation::Query);
        add_parameters(context, operation, parameters);
    }

    fn inferred_early_responses(context: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        problem_once(context, operation)
    }
}

impl<T: JsonSchema> OperationInput for Path<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = context.schema.subschema_for::<T>();
        let parameters = parameters_from_schema(context, schema.clone(), ParamLocation::Path);
        if parameters.is_empty() {
            describe_path(operation, &schema);
        }
        add_parameters(context, operation, parameters);
    }

    fn inferred_early_responses(context: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        problem_once(context, operation)
    }
}

/// The problem as the default answer, unless the handler's own error already is it.
pub(super) fn problem_once(context: &mut GenContext, operation: &Operation) -> Vec<(Option<u16>, Response)> {
    let there = operation.responses.as_ref().is_some_and(|responses| responses.default.is_some());
    if there { Vec::new() } else { vec![(None, openapi::problem_response(context))] }
}

impl OperationOutput for Error {
    type Inner = Self;

    fn operation_response(context: &mut GenContext, _: &mut Operation) -> Option<Response> {
        Some(openapi::problem_response(context))
    }

    fn inferred_responses(context: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Response)> {
        vec![(None, openapi::problem_response(context))]
    }
}

impl<T: JsonSchema> OperationOutput for Json<T> {
    type Inner = T;

    fn operation_response(context: &mut GenContext, _: &mut Operation) -> Option<Response> {
        Some(openapi::json_response::<T>(context, "Done"))
    }

    fn inferred_responses(context: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Response)> {
        vec![(Some(200), openapi::json_response::<T>(context, "Done"))]
    }
}

impl<T: JsonSchema> OperationOutput for Created<T> {
    type Inner = T;

    fn operation_response(context: &mut GenContext, _: &mut Operation) -> Option<Response> {
        Some(openapi::json_response::<T>(context, "Made"))
    }

    fn inferred_responses(context: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Response)> {
        vec![(Some(201), openapi::json_response::<T>(context, "Made"))]
    }
}

impl OperationOutput for NoContent {
    type Inner = ();

    fn operation_response(_: &mut GenContext, _: &mut Operation) -> Option<Response> {
        Some(Response { description: "Done".to_owned(), ..Response::default() })
    }

    fn inferred_responses(context: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        Self::operation_response(context, operation).map(|response| (Some(204), response)).into_iter().collect()
    }
}
