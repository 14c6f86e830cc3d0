//! What stands in the paths of routes of several modules.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize, JsonSchema)]
pub(crate) struct IdPath {
    pub(crate) id: Uuid,
}
