//! What uploads and downloads say of themselves in the OpenAPI document.

use super::{Download, Uploads, Wanted};
use crate::http::describe::problem_once;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, RequestBody, Response, SchemaObject};
use aide::operation::{OperationInput, OperationOutput, set_body};
use schemars::{Schema, json_schema};

/// Marks an operation that takes files; taken away before anybody sees it.
const UPLOADS: &str = "x-sarsen-uploads";

/// Whether the route takes files, so that other limits hold for its bodies.
pub(crate) fn take_uploads(operation: &mut Operation) -> bool {
    operation.extensions.shift_remove(UPLOADS).is_some()
}

fn media(json_schema: Schema) -> MediaType {
    let schema = Some(SchemaObject { json_schema, example: None, external_docs: None });
    MediaType { schema, ..MediaType::default() }
}

impl OperationInput for Uploads {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        operation.extensions.insert(UPLOADS.to_owned(), true.into());
        let form = json_schema!({
            "type": "object",
            "properties": { "file": { "type": "string", "contentMediaType": "application/octet-stream" } }
        });
        let content = [
            ("multipart/form-data".to_owned(), media(form)),
            ("application/octet-stream".to_owned(), media(json_schema!({}))),
        ];
        let content = content.into_iter().collect();
        set_body(
            context,
            operation,
            RequestBody { description: None, content, required: true, extensions: Default::default() },
        );
    }

    fn inferred_early_responses(context: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        problem_once(context, operation)
    }
}

impl OperationInput for Wanted {}

impl OperationOutput for Download {
    type Inner = Self;

    fn operation_response(_: &mut GenContext, _: &mut Operation) -> Option<Response> {
        let content = [("application/octet-stream".to_owned(), media(json_schema!({})))].into_iter().collect();
        Some(Response {
            description: "The file, or the part of it that was asked for".to_owned(),
            content,
            ..Response::default()
        })
    }

    fn inferred_responses(context: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        let of = |status, description: &str| {
            (Some(status), Response { description: description.to_owned(), ..Response::default() })
        };
        let whole = Self::operation_response(context, operation).map(|response| (Some(200), response));
        let part = Self::operation_response(context, operation).map(|response| (Some(206), response));
        let others = [of(304, "The client has it already"), of(416, "It has no such part")];
        whole.into_iter().chain(part).chain(others).collect()
    }
}
