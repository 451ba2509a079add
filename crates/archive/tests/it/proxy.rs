//! A proxy before a store that spoils one request, or all from one on.
//!
//! It takes one request on a connection, so that a step of the fault table is a connection, and
//! knows of HTTP no more than where a request ends.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What happens to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// The connection ends before the request reaches the store.
    NotDone,
    /// The store does it; the answer is lost.
    DoneButSilent,
    /// The store does it; the answer says that it failed.
    DoneButError,
    /// The store gets half of the request.
    TornRequest,
    /// The store does it; half of the answer comes back.
    TornAnswer,
    /// The store does it, and no request of this client arrives any more.
    KilledAfter,
    /// Neither this request nor a later one arrives.
    KilledBefore,
}

/// Runs once, when the proxy has read a `PUT` and before the store sees it.
type Interloper = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Plan {
    steps: u64,
    fault: Option<(u64, Fault)>,
    before_put: Option<Interloper>,
}

/// The proxy; it ends with the process.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
}

impl Proxy {
    pub(crate) fn before(store: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Self { address, plan: Arc::default() };
        let plan = Arc::clone(&proxy.plan);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let plan = Arc::clone(&plan);
                std::thread::spawn(move || drop(relay(client, store, &plan)));
            }
        });
        proxy
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Spoils the request of that number, counted from now, and forgets what was planned before.
    pub(crate) fn plan(&self, step: u64, fault: Fault) {
        *self.plan.lock().unwrap() = Plan { fault: Some((step, fault)), ..Plan::default() };
    }

    /// Lets everything pass; says whether the planned step was reached.
    pub(crate) fn take_plan(&self) -> bool {
        let plan = std::mem::take(&mut *self.plan.lock().unwrap());
        plan.fault.is_none_or(|(step, _)| plan.steps > step)
    }

    /// Lets something happen in the store between our looking and our writing.
    pub(crate) fn before_put(&self, interloper: impl FnOnce() + Send + 'static) {
        self.plan.lock().unwrap().before_put = Some(Box::new(interloper));
    }
}

fn relay(mut client: TcpStream, store: SocketAddr, plan: &Mutex<Plan>) -> std::io::Result<()> {
    let (head, body) = request(&mut client)?;
    let (fault, interloper) = {
        let mut plan = plan.lock().unwrap();
        let step = plan.steps;
        plan.steps += 1;
        let fault = plan.fault.and_then(|(at, fault)| match fault {
            Fault::KilledAfter if step > at => Some(Fault::KilledBefore),
            Fault::KilledBefore if step >= at => Some(fault),
            _ => (step == at).then_some(fault),
        });
        let is_put = head.starts_with(b"PUT ");
        (fault, if is_put { plan.before_put.take() } else { None })
    };
    if let Some(interloper) = interloper {
        interloper();
    }
    if let Some(Fault::NotDone | Fault::KilledBefore) = fault {
        return Ok(());
    }
    let mut upstream = TcpStream::connect(store)?;
    if fault == Some(Fault::TornRequest) {
        let whole = [head, body].concat();
        upstream.write_all(&whole[..whole.len() / 2])?;
        return upstream.shutdown(Shutdown::Both);
    }
    upstream.write_all(&head)?;
    upstream.write_all(&body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    for (wrong, right) in RENAMED {
        replace(&mut answer, wrong, right);
    }
    match fault {
        Some(Fault::DoneButSilent | Fault::KilledAfter) => Ok(()),
        Some(Fault::DoneButError) => client.write_all(UNAVAILABLE),
        Some(Fault::TornAnswer) => client.write_all(&answer[..answer.len() / 2]),
        _ => client.write_all(&answer),
    }
}

/// Head and body of a request; the head asks the store to close when it has answered.
fn request(client: &mut TcpStream) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    client.read_exact(&mut body)?;
    head.truncate(head.len() - 2);
    head.extend_from_slice(b"connection: close\r\n\r\n");
    Ok((head, body))
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    if let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}

/// The Python double names this answer after the call, and no store does.
const RENAMED: [(&[u8], &[u8]); 2] = [
    (b"<GetBucketVersioningResponse ", b"<VersioningConfiguration     "),
    (b"</GetBucketVersioningResponse>", b"</VersioningConfiguration    >"),
];

const UNAVAILABLE: &[u8] =
    b"HTTP/1.1 503 Slow Down\r\nconnection: close\r\ncontent-length: 52\r\n\r\n\
<Error><Code>SlowDown</Code><Message/></Error>      ";
