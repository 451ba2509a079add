//! `lucarne view` as a process, over real HTTP: what its clients send, and what they must get.
//!
//! The contracts, the semantics and the bodies are those of others; each file names its source and
//! its licence.

#[path = "view/client.rs"]
mod client;
#[path = "view/contracts.rs"]
mod contracts;
#[path = "view/logcli.rs"]
mod logcli;
#[path = "view/push.rs"]
mod push;
#[path = "view/semantics.rs"]
mod semantics;
#[path = "view/tail.rs"]
mod tail;
#[path = "view/wire.rs"]
mod wire;
