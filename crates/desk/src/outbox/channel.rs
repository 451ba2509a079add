//! Channels: where a notification goes and what it looks like there. None says more than the
//! notification, which holds nothing but what was scrubbed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Uri;
use serde_json::{Value, json};
use tokio_rustls::rustls::ClientConfig;

use super::client;
pub use super::mail::Relay;
use crate::engine::Notification;
use crate::incident::Phase;

/// A channel.
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Addresses of webhooks are credentials.
        f.debug_struct("Channel").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Somewhere that takes POSTs.
#[derive(Clone)]
pub struct Target {
    /// Where.
    pub uri: Uri,
    /// For `https`.
    pub tls: Option<Arc<ClientConfig>>,
}

/// What a channel is.
pub enum ChannelKind {
    /// An incoming webhook of Slack, or of what takes its bodies.
    Slack(Target),
    /// PagerDuty Events API v2.
    PagerDuty {
        /// Where.
        target: Target,
        /// The integration's key.
        routing_key: String,
    },
    /// Mail, handed to a relay.
    Mail(Relay),
    /// A webhook with the signature of Standard Webhooks.
    Webhook {
        /// Where.
        target: Target,
        /// What bodies are signed with.
        secret: Vec<u8>,
    },
}

/// What became of a notification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sent {
    /// The receiver has it.
    Done,
    /// Not now.
    Later {
        /// After so long, the receiver says.
        after_ms: Option<u64>,
        /// Why.
        error: String,
    },
    /// The receiver will never take it.
    Never(String),
}

impl Channel {
    /// Sends.
    pub async fn send(&self, told: &Notification) -> Sent {
        match &self.kind {
            ChannelKind::Slack(target) => post(target, &[], &slack(told)).await,
            ChannelKind::PagerDuty { target, routing_key } => {
                post(target, &[], &pager_duty(told, routing_key)).await
            }
            ChannelKind::Mail(relay) => relay.send(told).await,
            ChannelKind::Webhook { target, secret } => webhook(target, secret, told).await,
        }
    }
}

async fn post(target: &Target, headers: &[(&'static str, String)], body: &Value) -> Sent {
    let body = Bytes::from(body.to_string());
    client::post(&target.uri, target.tls.as_ref(), headers, body).await
}

fn slack(told: &Notification) -> Value {
    // The three characters that mean something in Slack's texts.
    let text = told.summary.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({
        "text": text,
        "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": text } }],
    })
}

fn pager_duty(told: &Notification, routing_key: &str) -> Value {
    let action = match told.event.as_str() {
        "resolved" | "ended" => "resolve",
        _ => "trigger",
    };
    // What is said of an incident that is over is not to open its alert again, which nothing would
    // end.
    let over = Phase::ALL.iter().any(|it| !it.is_open() && it.as_str() == told.phase);
    let own = over && action == "trigger";
    let dedup_key = if own { &told.key } else { &told.incident };
    let severity = match told.severity.as_str() {
        "SEV0" | "SEV1" => "critical",
        "SEV2" => "error",
        _ => "warning",
    };
    json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key,
        "payload": {
            "summary": told.summary,
            "source": "lucarne desk",
            "severity": severity,
            "class": told.kind,
            "custom_details": { "event": told.event, "role": told.role, "phase": told.phase },
        },
    })
}

async fn webhook(target: &Target, secret: &[u8], told: &Notification) -> Sent {
    let body = serde_json::to_string(told).unwrap_or_default();
    let timestamp = (crate::engine::wall_ms() / 1000).to_string();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let signed = format!("{}.{timestamp}.{body}", told.key);
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    let headers = [
        ("webhook-id", told.key.clone()),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", format!("v1,{}", STANDARD.encode(tag.as_ref()))),
    ];
    client::post(&target.uri, target.tls.as_ref(), &headers, Bytes::from(body)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::tests::told;

    #[test]
    fn what_is_over_is_ended_and_not_begun_again() {
        let pager = |event: &str, phase: &str| {
            let body = pager_duty(&told(event, phase), "key");
            ["event_action", "dedup_key"].map(|field| body[field].as_str().unwrap().to_owned())
        };
        let is = |action: &str, key: &str| [action.to_owned(), key.to_owned()];
        assert_eq!(pager("opened", "triaged"), is("trigger", "INC-1"));
        assert_eq!(pager("asked", "containing"), is("trigger", "INC-1"));
        for (event, phase) in [("resolved", "resolved"), ("ended", "false_positive")] {
            assert_eq!(pager(event, phase), is("resolve", "INC-1"));
        }
        assert_eq!(pager("run_waits", "resolved"), is("trigger", "ACT-9/pager"));
        assert_eq!(pager("run_waits", "merged"), is("trigger", "ACT-9/pager"));
    }
}
