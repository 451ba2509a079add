//! Mail to a relay (RFC 5321): six commands, and no library.
//!
//! A relay on the same host or in the same network takes plain SMTP; TLS, authentication, queues
//! and MX records are its business, and would be ten crates here.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::channel::Sent;
use crate::engine::Notification;

/// A relay and the two addresses.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Host and port.
    pub address: String,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
}

/// For a whole message.
const PATIENCE: Duration = Duration::from_secs(15);
/// A reply line (RFC 5321 §4.5.3.1.5) with room for chatty relays.
const LINE_BYTES_MAX: usize = 2048;
/// Lines of one reply.
const LINES_MAX: usize = 64;

impl Relay {
    pub(super) async fn send(&self, told: &Notification) -> Sent {
        match tokio::time::timeout(PATIENCE, self.talk(told)).await {
            Ok(Ok(())) => Sent::Done,
            Ok(Err(Refused::For(code))) if code >= 500 => Sent::Never(format!("answered {code}")),
            Ok(Err(Refused::For(code))) => {
                Sent::Later { after_ms: None, error: format!("answered {code}") }
            }
            Ok(Err(Refused::Broken)) => {
                Sent::Later { after_ms: None, error: "connection ended".to_owned() }
            }
            Err(_) => Sent::Later { after_ms: None, error: "timed out".to_owned() },
        }
    }

    async fn talk(&self, told: &Notification) -> Result<(), Refused> {
        let stream = TcpStream::connect(&self.address).await.map_err(|_| Refused::Broken)?;
        let mut stream = BufReader::new(stream);
        expect(&mut stream, 220).await?;
        let message = self.message(told);
        let commands = [
            ("EHLO lucarne-desk\r\n".to_owned(), 250),
            (format!("MAIL FROM:<{}>\r\n", self.from), 250),
            (format!("RCPT TO:<{}>\r\n", self.to), 250),
            ("DATA\r\n".to_owned(), 354),
            (message, 250),
        ];
        for (command, code) in commands {
            stream.write_all(command.as_bytes()).await.map_err(|_| Refused::Broken)?;
            expect(&mut stream, code).await?;
        }
        // The message is taken; how the relay says goodbye changes nothing.
        stream.write_all(b"QUIT\r\n").await.ok();
        Ok(())
    }

    fn message(&self, told: &Notification) -> String {
        // Nothing of a notification may begin a header or end the message.
        let line = |text: &str| text.replace(['\r', '\n'], " ");
        let key = line(&told.key).replace('/', ".");
        format!(
            "From: <{}>\r\nTo: <{}>\r\nSubject: {}\r\nMessage-ID: <{key}@lucarne-desk>\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
             {}\r\n.\r\n",
            self.from,
            self.to,
            line(&told.summary),
            line(&told.summary),
        )
    }
}

enum Refused {
    For(u16),
    Broken,
}

async fn expect(stream: &mut BufReader<TcpStream>, code: u16) -> Result<(), Refused> {
    for _ in 0..LINES_MAX {
        let mut line = Vec::new();
        let mut limited = tokio::io::AsyncReadExt::take(&mut *stream, LINE_BYTES_MAX as u64);
        limited.read_until(b'\n', &mut line).await.map_err(|_| Refused::Broken)?;
        let text = String::from_utf8_lossy(&line);
        let got: u16 = text.get(..3).and_then(|it| it.parse().ok()).ok_or(Refused::Broken)?;
        // `250-` goes on, `250 ` ends.
        if text.as_bytes().get(3) == Some(&b'-') {
            continue;
        }
        return if got == code { Ok(()) } else { Err(Refused::For(got)) };
    }
    Err(Refused::Broken)
}
