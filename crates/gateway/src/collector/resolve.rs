//! `--resolve HOST:PORT=IP:PORT`: where a name of a collector file is on this machine.
//!
//! It is for trying a file as it is: names are looked up here before anybody else is asked. It
//! holds for addresses that are listened on, too. TLS still asks for the name in the file.

use std::net::SocketAddr;
use std::str::FromStr;

/// Overrides, in the order of the command line; the first that fits counts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Resolve(pub Vec<Override>);

/// One override.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Override {
    /// `HOST:PORT` as the file writes it.
    pub name: String,
    /// Where that is.
    pub address: SocketAddr,
}

impl Resolve {
    /// The address of `HOST:PORT`, if it has an override.
    pub fn of(&self, name: &str) -> Option<SocketAddr> {
        self.0.iter().find(|one| one.name == name).map(|one| one.address)
    }
}

impl FromStr for Override {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected HOST:PORT=IP:PORT";
        let (name, address) = text.split_once('=').ok_or(expected)?;
        let (host, port) = name.rsplit_once(':').ok_or(expected)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(expected);
        }
        let address = address.parse().map_err(|_| expected)?;
        Ok(Self { name: name.to_owned(), address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_is_a_name_and_an_address() {
        let one: Override = "loki:3100=127.0.0.1:4100".parse().unwrap();
        let address = ([127, 0, 0, 1], 4100).into();
        assert_eq!(one, Override { name: "loki:3100".into(), address });
        let resolve = Resolve(vec![one]);
        assert_eq!([resolve.of("loki:3100"), resolve.of("loki:3101")], [Some(address), None]);
        for wrong in ["loki:3100", "loki=127.0.0.1:1", ":1=127.0.0.1:1", "a:1=localhost:1"] {
            assert_eq!(wrong.parse::<Override>(), Err("expected HOST:PORT=IP:PORT"), "{wrong}");
        }
    }
}
