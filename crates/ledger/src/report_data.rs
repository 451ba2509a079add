//! Report data: the 64 bytes that evidence carries, made from a purpose and typed fields only.
//!
//! There is no constructor that takes bytes, so no interface above can have a caller's choice of
//! report data signed. Each is SHA-512 over a fixed purpose string and deterministic CBOR; a
//! caller's nonce is 32 bytes and one input of it.

use aws_lc_rs::digest;

use crate::binding::EpochBinding;
use crate::cbor::Writer;

/// What evidence carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReportData([u8; 64]);

impl ReportData {
    /// For the evidence of a boot: `SHA-512("lucarne/v1/epoch" || binding)`.
    pub fn epoch(binding: &EpochBinding) -> Self {
        Self(binding.digest())
    }

    /// For fresh evidence of a boot, asked for with this nonce:
    /// `SHA-512("lucarne/v1/monitor" || CBOR [1, nonce, digest of the epoch binding])`.
    pub fn monitor(binding: &EpochBinding, nonce: &[u8; 32]) -> Self {
        let mut fields = Writer::new();
        fields.array(3).uint(VERSION).bytes(nonce).bytes(&binding.digest());
        Self::over(MONITOR, &fields.finish())
    }

    /// For the attested channel:
    /// `SHA-512("lucarne/v1/channel" || CBOR [version, role, nonce, key, exporter, digest])`.
    pub fn channel(binding: &EpochBinding, end: &ChannelEnd<'_>) -> Self {
        let mut fields = Writer::new();
        fields.array(6).uint(end.version).text(end.role).bytes(end.client_nonce);
        fields.bytes(end.leaf_spki_sha256).bytes(end.exporter).bytes(&binding.digest());
        Self::over(CHANNEL, &fields.finish())
    }

    /// The bytes, for the evidence device and for comparison.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    fn over(purpose: &[u8], fields: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA512);
        context.update(purpose);
        context.update(fields);
        let mut out = [0; 64];
        // The algorithm fixes the length, so the copy always fits.
        out.copy_from_slice(context.finish().as_ref());
        Self(out)
    }
}

/// One end of an attested channel, as its evidence is bound to it.
#[derive(Clone, Copy, Debug)]
pub struct ChannelEnd<'a> {
    /// Version of the channel's protocol.
    pub version: u64,
    /// Which end it is.
    pub role: &'a str,
    /// What the client sent.
    pub client_nonce: &'a [u8; 32],
    /// SHA-256 of the SubjectPublicKeyInfo of this end's certificate.
    pub leaf_spki_sha256: &'a [u8; 32],
    /// The TLS exporter of the connection, with the role as its context.
    pub exporter: &'a [u8; 32],
}

/// Version of the fields of fresh evidence.
const VERSION: u64 = 1;
const MONITOR: &[u8] = b"lucarne/v1/monitor";
const CHANNEL: &[u8] = b"lucarne/v1/channel";

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn binding() -> EpochBinding {
        EpochBinding {
            p256_spki: vec![1; 91],
            ed25519: [2; 32],
            mldsa44: None,
            channel_spki: None,
            instance: "nitro-001-us-east".parse().unwrap(),
            nonce: [5; 32],
            configuration_sha256: [6; 32],
            contract_sha256: [7; 32],
            deployment: None,
        }
    }

    const END: ChannelEnd<'static> = ChannelEnd {
        version: 1,
        role: "enclave",
        client_nonce: &[1; 32],
        leaf_spki_sha256: &[2; 32],
        exporter: &[3; 32],
    };

    fn sha512(bytes: &[u8]) -> [u8; 64] {
        digest::digest(&digest::SHA512, bytes).as_ref().try_into().unwrap()
    }

    /// The bytes are written by hand from the table of the format: they may not move unseen.
    #[test]
    fn each_purpose_hashes_what_its_table_says() {
        let epoch = binding().digest();
        assert_eq!(ReportData::epoch(&binding()).as_bytes(), &epoch);
        let mut monitor = b"lucarne/v1/monitor\x83\x01\x58\x20".to_vec();
        monitor.extend([9; 32]);
        monitor.extend(b"\x58\x40");
        monitor.extend(epoch);
        assert_eq!(ReportData::monitor(&binding(), &[9; 32]).as_bytes(), &sha512(&monitor));
        let mut channel = b"lucarne/v1/channel\x86\x01\x67enclave".to_vec();
        for field in [1, 2, 3] {
            channel.extend(b"\x58\x20");
            channel.extend([field; 32]);
        }
        channel.extend(b"\x58\x40");
        channel.extend(epoch);
        assert_eq!(ReportData::channel(&binding(), &END).as_bytes(), &sha512(&channel));
    }

    #[test]
    fn every_field_moves_it() {
        let other = EpochBinding { nonce: [4; 32], ..binding() };
        let monitor = ReportData::monitor(&binding(), &[9; 32]);
        assert_ne!(ReportData::monitor(&binding(), &[8; 32]), monitor);
        assert_ne!(ReportData::monitor(&other, &[9; 32]), monitor);
        let channel = ReportData::channel(&binding(), &END);
        let moved = [
            ReportData::channel(&other, &END),
            ReportData::channel(&binding(), &ChannelEnd { version: 2, ..END }),
            ReportData::channel(&binding(), &ChannelEnd { role: "client", ..END }),
            ReportData::channel(&binding(), &ChannelEnd { client_nonce: &[0; 32], ..END }),
            ReportData::channel(&binding(), &ChannelEnd { leaf_spki_sha256: &[0; 32], ..END }),
            ReportData::channel(&binding(), &ChannelEnd { exporter: &[0; 32], ..END }),
        ];
        for data in moved {
            assert_ne!(data, channel);
        }
    }
}
