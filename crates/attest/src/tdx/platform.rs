//! The platform that a PCK certificate describes (Intel SGX PCK Certificate Profile §1.3.5).
//!
//! Each entry occurs exactly once; the SVNs are what TCB levels are compared with.

use super::certificate::SGX;
use super::rejected::PlatformFault;
use crate::der::{BOOLEAN, BadDer, Der, INTEGER, OCTET_STRING, OID, SEQUENCE};

/// What Intel's provisioning service found the machine to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Platform {
    /// Name of the machine, encrypted in public but plain to Intel: the same for all its quotes.
    pub ppid: [u8; 16],
    /// SVNs of the sixteen SGX components.
    pub sgx_svns: [u8; 16],
    /// SVN of the provisioning certification enclave.
    pub pce_svn: u16,
    /// Number of the provisioning certification enclave.
    pub pce_id: [u8; 2],
    /// Family, model, stepping, platform type and custom SKU.
    pub fmspc: [u8; 6],
    /// Whether packages can be added to it; said of multi-package platforms only.
    pub dynamic_platform: Option<bool>,
    /// Whether its keys are kept by Intel's registration service.
    pub cached_keys: Option<bool>,
    /// Whether simultaneous multithreading is on.
    pub smt: Option<bool>,
}

impl Platform {
    /// Reads the SGX extension of a PCK certificate.
    pub(super) fn parse(value: &[u8]) -> Result<Self, PlatformFault> {
        let mut entries = Entries::read(value, &[])?;
        let fmspc = entries.octets(4)?;
        let pce_id = entries.octets(3)?;
        let ppid = entries.octets(1)?;
        let mut tcb = Entries::of(entries.take(2, SEQUENCE)?, &[2])?;
        let mut sgx_svns = [0; 16];
        for (svn, number) in sgx_svns.iter_mut().zip(1..) {
            let read = tcb.number(number)?;
            *svn = u8::try_from(read).map_err(|_| PlatformFault::Svn { entry: number })?;
        }
        let pce_svn = tcb.number(17)?;
        tcb.octets::<16>(18)?;
        tcb.end()?;
        entries.take(5, ENUMERATED)?;
        if entries.has(6) {
            entries.octets::<16>(6)?;
        }
        let flags = if entries.has(7) {
            let mut flags = Entries::of(entries.take(7, SEQUENCE)?, &[7])?;
            let read = [flags.flag(1)?, flags.flag(2)?, flags.flag(3)?];
            flags.end()?;
            read
        } else {
            [None; 3]
        };
        entries.end()?;
        let [dynamic_platform, cached_keys, smt] = flags;
        Ok(Self { ppid, sgx_svns, pce_svn, pce_id, fmspc, dynamic_platform, cached_keys, smt })
    }
}

/// Entries by the last number of their object identifier.
struct Entries<'a> {
    found: alloc::vec::Vec<(u8, u8, &'a [u8])>,
}

impl<'a> Entries<'a> {
    fn read(value: &'a [u8], under: &[u8]) -> Result<Self, PlatformFault> {
        let mut outer = Der::new(value);
        let content = outer.content(SEQUENCE)?;
        outer.end()?;
        Self::of(content, under)
    }

    fn of(content: &'a [u8], under: &[u8]) -> Result<Self, PlatformFault> {
        let mut list = Der::new(content);
        let mut found: alloc::vec::Vec<(u8, u8, &[u8])> = alloc::vec::Vec::new();
        while !list.is_empty() {
            let mut pair = list.inside(SEQUENCE)?;
            let (oid, value) = (pair.content(OID)?, pair.any()?);
            pair.end()?;
            let below = oid.strip_prefix(SGX).and_then(|rest| rest.strip_prefix(under));
            let Some([number]) = below else { return Err(PlatformFault::UnknownEntry) };
            if found.iter().any(|(other, ..)| other == number) {
                return Err(PlatformFault::DuplicateEntry { entry: *number });
            }
            found.push((*number, value.tag, value.content));
        }
        Ok(Self { found })
    }

    fn has(&self, number: u8) -> bool {
        self.found.iter().any(|(found, ..)| *found == number)
    }

    fn take(&mut self, number: u8, tag: u8) -> Result<&'a [u8], PlatformFault> {
        let at = self.found.iter().position(|(found, ..)| *found == number);
        let at = at.ok_or(PlatformFault::MissingEntry { entry: number })?;
        let (_, found, content) = self.found.swap_remove(at);
        if found == tag { Ok(content) } else { Err(PlatformFault::Der) }
    }

    fn octets<const N: usize>(&mut self, number: u8) -> Result<[u8; N], PlatformFault> {
        let content = self.take(number, OCTET_STRING)?;
        content.try_into().map_err(|_| PlatformFault::Der)
    }

    fn number(&mut self, number: u8) -> Result<u16, PlatformFault> {
        match self.take(number, INTEGER)? {
            [small @ 0..=0x7f] => Ok(u16::from(*small)),
            [0, one @ 0x80..=0xff] => Ok(u16::from(*one)),
            [high @ 1..=0x7f, low] | [0, high @ 0x80..=0xff, low] => {
                Ok(u16::from_be_bytes([*high, *low]))
            }
            _ => Err(PlatformFault::Svn { entry: number }),
        }
    }

    fn flag(&mut self, number: u8) -> Result<Option<bool>, PlatformFault> {
        match self.take(number, BOOLEAN)? {
            [0] => Ok(Some(false)),
            [0xff] => Ok(Some(true)),
            _ => Err(PlatformFault::Der),
        }
    }

    fn end(&self) -> Result<(), PlatformFault> {
        if self.found.is_empty() { Ok(()) } else { Err(PlatformFault::UnknownEntry) }
    }
}

impl From<BadDer> for PlatformFault {
    fn from(_: BadDer) -> Self {
        Self::Der
    }
}

const ENUMERATED: u8 = 0x0a;
