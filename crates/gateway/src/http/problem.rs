//! What goes wrong, as callers of the HTTP side see it: a status, a code, one sentence.

use axum::http::StatusCode;
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};

use super::json;

/// An answer that is not what was asked for. Everything in it is for the caller's eyes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:ident $code:literal $message:literal;)*) => {
        impl Problem {
            $($(#[$doc])*
            pub const $name: Self = Self {
                status: StatusCode::$status,
                code: $code,
                message: $message,
            };)*
        }
    };
}

problems! {
    /// No such path.
    NOT_FOUND = NOT_FOUND "not_found" "there is nothing here";
    /// A query that is not understood.
    QUERY = BAD_REQUEST "query" "the only parameter is instance";
    /// Not the name of a gate.
    GATE_NAME = BAD_REQUEST "gate_name" "a gate is 1 to 63 of a-z, 0-9 and -";
    /// A gate that nobody has set.
    GATE_UNKNOWN = NOT_FOUND "gate_unknown" "no gate of this name has been set";
    /// A body that is not understood.
    GATE_STATE = BAD_REQUEST "gate_state" "expected {\"state\":\"open\"} or {\"state\":\"closed\"}";
    /// More gates than anybody needs.
    GATES_FULL = INSUFFICIENT_STORAGE "gates_full" "there are 256 gates already";
    /// No token, or a wrong one.
    UNAUTHORIZED = UNAUTHORIZED "unauthorized"
        "setting a gate needs the bearer token of gate_token_file";
    /// No token is configured.
    GATES_LOCKED = FORBIDDEN "gates_locked"
        "no gate_token_file is configured, so nobody may set gates";
    /// The state could not be made durable.
    GATE_NOT_KEPT = INTERNAL_SERVER_ERROR "gate_not_kept" "the state could not be written to disk";
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = json(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
