//! The OpenAPI 3.1 document, made of the table of routes and the schemas beside it.

use serde_json::{Map, Value, json};

use super::routes::{Access, Op, ROUTES, Route};

/// Schemas of bodies, by name.
const SCHEMAS: &str = include_str!("openapi/schemas.json");

/// The document.
pub(crate) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.verb.as_str().to_lowercase(), operation(route));
        }
    }
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Lucarne desk",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "signature": {
                    "type": "apiKey", "in": "header", "name": "Lucarne-Signature",
                    "description": "sha256= and the HMAC over Lucarne-Timestamp, a point and the \
                                    body; Lucarne-Key names the key",
                },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": format!("{:?}{}", route.op, suffix(route)),
        "summary": route.about,
        "parameters": parameters(route.path),
        "responses": responses(route),
    });
    let Some(fields) = operation.as_object_mut() else { return operation };
    if let Access::Roles(roles) = route.access {
        fields.insert("security".to_owned(), json!([{ "token": [] }, { "signature": [] }]));
        let roles: Vec<String> =
            roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
        fields.insert("x-roles".to_owned(), json!(roles));
    }
    if let Some(schema) = route.body {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        let body =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        fields.insert("requestBody".to_owned(), body);
    }
    operation
}

// Two paths of one operation.
fn suffix(route: &Route) -> &'static str {
    match route.path {
        "/api/v1/alertmanager" => "OfBot",
        "/heartbeat" => "OfProvability",
        _ => "",
    }
}

fn parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let text = json!({ "type": "string" });
    let parameter = |name| json!({ "name": name, "in": "path", "required": true, "schema": text });
    names.map(parameter).collect()
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for status in route.statuses {
        let (about, schema) = match status {
            200 => ("what was asked for", "Any"),
            400 => ("not of the shape", "Problem"),
            401 => ("no key, or a wrong one", "Problem"),
            403 => ("not this key, or held", "Problem"),
            404 => ("there is nothing of this name", "Problem"),
            408 => ("the body did not arrive in time", "Problem"),
            409 => ("refused by the state it is in", "Problem"),
            413 => ("too large", "Problem"),
            _ => ("not now; nothing was kept", "Problem"),
        };
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        let content = match (route.op, status) {
            // The text of Prometheus.
            (Op::Metrics, 200) => json!({ "text/plain": { "schema": { "type": "string" } } }),
            _ => json!({ "application/json": { "schema": schema } }),
        };
        responses.insert(status.to_string(), json!({ "description": about, "content": content }));
    }
    Value::Object(responses)
}
