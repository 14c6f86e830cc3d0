//! The document of the API.

use crate::world::World;

/// What the web client uses.
const CONTRACT: &[(&str, &str)] = &[
    ("/v1/accounts", "post"),
    ("/v1/session", "get post delete"),
    ("/v1/me", "get patch"),
    ("/v1/me/password", "post"),
    ("/v1/me/sessions", "get"),
    ("/v1/me/sessions/{id}", "delete"),
    ("/v1/me/tokens", "get post"),
    ("/v1/me/tokens/{id}", "delete"),
    ("/v1/me/mentions", "get"),
    ("/v1/users", "get"),
    ("/v1/users/{id}", "get"),
    ("/v1/channels", "get post"),
    ("/v1/channels/{id}", "get patch"),
    ("/v1/channels/{id}/join", "post"),
    ("/v1/channels/{id}/leave", "post"),
    ("/v1/channels/{id}/members", "get post"),
    ("/v1/channels/{id}/messages", "get post"),
    ("/v1/channels/{id}/changes", "get"),
    ("/v1/channels/{id}/files", "post"),
    ("/v1/files/{id}", "get delete"),
    ("/v1/files/{id}/thumbnail", "get"),
    ("/v1/channels/{id}/read", "put"),
    ("/v1/channels/{id}/statistics", "get"),
    ("/v1/audit", "get"),
    ("/v1/direct", "post"),
    ("/v1/messages/{id}", "get patch delete"),
    ("/v1/messages/{id}/replies", "get"),
    ("/v1/messages/{id}/reactions/{emoji}", "put delete"),
    ("/v1/search", "get"),
    ("/v1/channels/{id}/webhooks", "get post"),
    ("/v1/webhooks/{id}", "patch delete"),
    ("/v1/webhooks/{id}/test", "post"),
    ("/v1/webhooks/{id}/deliveries", "get"),
    ("/v1/webhooks/{id}/deliveries/{delivery}/replay", "post"),
    ("/v1/channels/{id}/hooks", "get post"),
    ("/v1/hooks/{id}", "post delete"),
    ("/v1/reports", "get post"),
    ("/v1/reports/{id}", "get delete"),
    ("/v1/me/weekly-report", "get put delete"),
];

pub(crate) async fn the_api_document_has_every_route_of_the_contract(world: World) {
    let document = world.anonymous().get("/openapi.json").await.expect(200);
    assert_eq!(document["info"]["title"], "Parley");
    for (path, methods) in CONTRACT {
        for method in methods.split(' ') {
            let operation = &document["paths"][path][method];
            assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{method} {path}: {operation}");
        }
    }
}
