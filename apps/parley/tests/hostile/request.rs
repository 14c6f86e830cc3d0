//! A good request for every operation, and the attack that is made of it.

use crate::document::{Operation, Parameter};
use crate::schema::Schemas;
use crate::stage::{Ids, unique_name};
use axum::http::Method;
use serde_json::{Value, json};

/// What is attacked: an operation, with things that exist and that the attacker may use.
#[derive(Debug)]
pub(crate) struct Surface<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) schemas: &'a Schemas,
    pub(crate) ids: &'a Ids,
}

/// Who the request says it is from.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// The attacker, who has an account.
    Own,
    /// Nobody, and these headers.
    Headers(Vec<(&'static str, Vec<u8>)>),
}

/// What must be answered, beside what every answer must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Anything but a fault; when the input is refused, this field is named.
    Field(String),
    /// A refusal that names this field.
    Named(String),
    /// A refusal.
    Refused,
    /// This status.
    Status(u16),
    /// Anything but a fault.
    Anything,
}

/// One hostile request.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    pub(crate) what: String,
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Vec<u8>,
    pub(crate) credentials: Credentials,
    pub(crate) expect: Expect,
}

/// The parts of a good request.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) path: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    /// Names and raw JSON.
    pub(crate) body: Option<Vec<(String, Vec<u8>)>>,
}

impl Surface<'_> {
    /// A good request.
    pub(crate) fn sample(&self) -> Sample {
        let text = |parameter: &Parameter| match self.good(&parameter.name, &parameter.schema) {
            Value::String(text) => (parameter.name.clone(), encode(&text)),
            value => (parameter.name.clone(), value.to_string()),
        };
        let given = |parameter: &&Parameter| parameter.required || parameter.name != "cursor";
        let field =
            |(name, schema): (&String, &Value)| (name.clone(), self.good(name, schema).to_string().into_bytes());
        Sample {
            path: self.operation.path.iter().map(text).collect(),
            query: self.operation.query.iter().filter(given).map(text).collect(),
            body: self.fields().map(|fields| fields.iter().map(field).collect()),
        }
    }

    /// The fields of the body with their schemas.
    pub(crate) fn fields(&self) -> Option<&serde_json::Map<String, Value>> {
        let schema = self.schemas.resolve(self.operation.body.as_ref()?);
        Some(schema["properties"].as_object().expect("the body is an object"))
    }

    /// Whether a request without this field is wrong.
    pub(crate) fn requires(&self, field: &str) -> bool {
        let schema = self.operation.body.as_ref().map(|body| &self.schemas.resolve(body)["required"]);
        schema.and_then(Value::as_array).is_some_and(|names| names.iter().any(|name| name == field))
    }

    fn good(&self, name: &str, schema: &Value) -> Value {
        let Ids { channel, message, other, token, session, username, .. } = self.ids;
        let Ids { webhook, delivery, hook, report, file, .. } = self.ids;
        let pattern = &*self.operation.pattern;
        match name {
            "id" if pattern.starts_with("/v1/channels") => json!(channel),
            "id" if pattern.starts_with("/v1/messages") => json!(message),
            "id" if pattern.starts_with("/v1/users") => json!(other),
            "id" if pattern.starts_with("/v1/me/tokens") => json!(token),
            "id" if pattern.starts_with("/v1/me/sessions") => json!(session),
            "id" if pattern.starts_with("/v1/webhooks") => json!(webhook),
            "id" if pattern.starts_with("/v1/hooks") => json!(hook),
            "id" if pattern.starts_with("/v1/reports") => json!(report),
            "id" if pattern.starts_with("/v1/files") => json!(file),
            "disposition" => json!("attachment"),
            "delivery" => json!(delivery),
            "url" => json!("https://example.org/hook"),
            "events" => json!(["messages.posted"]),
            "first_day" => json!("2025-12-30"),
            "last_day" => json!("2025-12-31"),
            "user_id" => json!(other),
            "user_ids" => json!([other]),
            "thread_id" | "message_id" => json!(message),
            "channel" => json!(channel),
            "email" => json!("mallory@example.org"),
            "emoji" => json!("👍"),
            "username" if pattern == "/v1/session" => json!(username),
            "username" | "name" | "nonce" => json!(unique_name()),
            "kind" => json!("public"),
            "scope" => json!("all"),
            "password" | "current" | "new" => json!("correct horse"),
            _ => self.of_type(schema),
        }
    }

    fn of_type(&self, schema: &Value) -> Value {
        let values = [json!("some words"), json!(1), json!(true), json!([]), json!({}), json!(null)];
        let fits = values.into_iter().find(|value| self.schemas.check(schema, value).is_ok());
        fits.unwrap_or_else(|| panic!("say in `good` what fits {schema}"))
    }

    /// The attack with this request.
    pub(crate) fn attack(&self, what: impl Into<String>, sample: &Sample, expect: Expect) -> Attack {
        Attack {
            what: what.into(),
            method: self.operation.method.clone(),
            target: sample.target(&self.operation.pattern),
            content_type: sample.body.is_some().then_some("application/json"),
            body: sample.body.as_deref().map(object).unwrap_or_default(),
            credentials: Credentials::Own,
            expect,
        }
    }
}

impl Sample {
    fn target(&self, pattern: &str) -> String {
        let filled = |pattern: String, (name, value): &(String, String)| pattern.replace(&format!("{{{name}}}"), value);
        let path = self.path.iter().fold(pattern.to_owned(), filled);
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }
}

/// The JSON object with these fields, each in raw JSON, wrong as it may be.
pub(crate) fn object(fields: &[(String, Vec<u8>)]) -> Vec<u8> {
    let field = |(name, value): &(String, Vec<u8>)| [format!("\"{name}\":").as_bytes(), value].concat();
    [b"{".as_slice(), &fields.iter().map(field).collect::<Vec<_>>().join(&b','), b"}"].concat()
}

/// Percent-encodes everything but letters and digits.
pub(crate) fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Puts `value` in the place of that which has this name.
pub(crate) fn put<T>(all: &mut [(String, T)], name: &str, value: T) {
    if let Some((_, old)) = all.iter_mut().find(|(given, _)| given == name) {
        *old = value;
    }
}
