//! JSON Schema, the part of it that the document uses: whether a value is as documented, and what a schema allows.

use serde_json::Value;

/// Words of schemas that are checked, or that promise nothing. Any other fails the test: it would go unchecked.
const KNOWN: [&str; 21] = [
    "$ref",
    "anyOf",
    "const",
    "default",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
];

/// The schemas of a document.
#[derive(Clone, Debug)]
pub(crate) struct Schemas(Value);

impl Schemas {
    pub(crate) fn new(document: &Value) -> Self {
        Self(document["components"]["schemas"].clone())
    }

    /// The schema itself, where there is a reference to it.
    pub(crate) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let Some(reference) = schema["$ref"].as_str() else { return schema };
        let name = reference.strip_prefix("#/components/schemas/").expect("a schema of this document");
        self.0.get(name).unwrap_or_else(|| panic!("there is no schema {name}"))
    }

    /// The schemas of which a value must match one: the parts of `anyOf` and `oneOf`, or the schema itself.
    fn alternatives<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolve(schema);
        let parts = ["anyOf", "oneOf"].iter().find_map(|word| schema[word].as_array());
        parts.map_or_else(|| vec![schema], |parts| parts.iter().flat_map(|part| self.alternatives(part)).collect())
    }

    /// Fails with the place and the reason when `value` is not as `schema` says.
    pub(crate) fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let unknown =
            |schema: &&Value| schema.as_object().is_some_and(|it| it.keys().any(|key| !KNOWN.contains(&&**key)));
        let alternatives = self.alternatives(schema);
        assert!(!alternatives.iter().any(unknown), "a schema has words that the test does not know: {schema}");
        let mut failures = alternatives.iter().map(|schema| self.check_one(schema, value));
        let first = failures.next().unwrap_or(Ok(()));
        if first.is_ok() || failures.any(|failure| failure.is_ok()) { Ok(()) } else { first }
    }

    fn check_one(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{value} is not {what} {schema}"));
        if !has_type(schema, value) || !in_range(schema, value) || !listed(schema, value) {
            return wrong("of the type");
        }
        if value.is_string() && !has_format(schema, value.as_str().unwrap_or_default()) {
            return wrong("in the form");
        }
        let missing = |name: &&Value| value.get(name.as_str().unwrap_or_default()).is_none();
        if value.is_object()
            && let Some(name) = schema["required"].as_array().into_iter().flatten().find(missing)
        {
            return Err(format!("{name} is missing in {value}"));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            value
                .get(name)
                .map_or(Ok(()), |inner| self.check(property, inner))
                .map_err(|error| format!("{name}: {error}"))?;
        }
        if let Some(items) = schema.get("items") {
            value.as_array().into_iter().flatten().try_for_each(|item| self.check(items, item))?;
        }
        Ok(())
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    let fits = |name: &Value| match name.as_str().unwrap_or_default() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match schema.get("type") {
        None => true,
        Some(Value::Array(names)) => names.iter().any(fits),
        Some(name) => fits(name),
    }
}

fn in_range(schema: &Value, value: &Value) -> bool {
    let number = value.as_f64();
    let below = |limit: &str, size: f64| schema[limit].as_f64().is_none_or(|limit| limit <= size);
    let above = |limit: &str, size: f64| schema[limit].as_f64().is_none_or(|limit| limit >= size);
    let characters = value.as_str().map(|text| text.chars().count() as f64);
    let items = value.as_array().map(|items| items.len() as f64);
    number.is_none_or(|it| below("minimum", it) && above("maximum", it))
        && characters.is_none_or(|it| below("minLength", it) && above("maxLength", it))
        && items.is_none_or(|it| below("minItems", it) && above("maxItems", it))
}

fn listed(schema: &Value, value: &Value) -> bool {
    let among = schema["enum"].as_array().is_none_or(|allowed| allowed.contains(value));
    among && schema.get("const").is_none_or(|only| only == value)
}

fn has_format(schema: &Value, text: &str) -> bool {
    match schema["format"].as_str() {
        Some("uuid") => text.len() == 36 && text.parse::<uuid::Uuid>().is_ok(),
        Some("date-time") => text.ends_with('Z') && text.parse::<sarsen::Timestamp>().is_ok(),
        _ => true,
    }
}
