//! Files of collateral as an archive keeps them beside evidence: in the order in which they were
//! tried, each as it came.
//!
//! Which file is what, its reader finds out: a bundle of Intel's documents, a certificate, a list.
//! Nothing in them is believed for lying there.

use alloc::vec::Vec;

use lucarne_ledger::cbor::{CborError, Reader, Writer};

use crate::{snp, tdx};

/// Files of collateral.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CollateralFiles(Vec<Vec<u8>>);

impl CollateralFiles {
    /// These files; what is more than fits is left out, the last first.
    pub fn new(files: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let files = files.into_iter().filter(|file| (1..=FILE_BYTES_MAX).contains(&file.len()));
        Self(files.take(FILES_MAX).collect())
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The files, in their order.
    pub fn into_files(self) -> Vec<Vec<u8>> {
        self.0
    }

    /// Deterministic CBOR: `[1, [file, …]]`.
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut out = Writer::new();
        let count = self.0.iter().fold(0, |count, _| count + 1_u64);
        out.array(2).uint(VERSION).array(count);
        for file in &self.0 {
            out.bytes(file);
        }
        out.finish()
    }

    /// Reads it again.
    ///
    /// # Errors
    /// When it is not what [`Self::to_cbor`] writes.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != 2 {
            return Err(CborError::Value);
        }
        reader.exactly(VERSION)?;
        let count = reader.array()?;
        let mut files = Vec::new();
        for _ in 0..count {
            let file = reader.bytes()?;
            if files.len() == FILES_MAX || !(1..=FILE_BYTES_MAX).contains(&file.len()) {
                return Err(CborError::Value);
            }
            files.push(file.into());
        }
        reader.end()?;
        Ok(Self(files))
    }

    /// What there is for quotes of TDX: the first bundle.
    pub(crate) fn tdx(&self) -> Option<tdx::Collateral> {
        self.0.iter().find_map(|file| tdx::Collateral::from_bundle(file).ok())
    }

    /// What there is for reports of SNP: every certificate, and the first list.
    pub(crate) fn snp(&self) -> Option<snp::Collateral> {
        let mut found = snp::Collateral::default();
        for file in &self.0 {
            // A file for another kind, or a second list, is passed over.
            let _: Result<(), snp::NotCollateral> = found.add(file);
        }
        (found != snp::Collateral::default()).then_some(found)
    }
}

const VERSION: u64 = 1;
/// A leaf, two issuers, a root and a list, each in a file of its own, twice over.
const FILES_MAX: usize = 16;
/// As long as the longest bundle of Intel's documents.
const FILE_BYTES_MAX: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn files_go_there_and_back_in_one_spelling() {
        let files = CollateralFiles::new([vec![1], vec![2, 3]]);
        let cbor = files.to_cbor();
        assert_eq!(cbor, [0x82, 1, 0x82, 0x41, 1, 0x42, 2, 3]);
        assert_eq!(CollateralFiles::from_cbor(&cbor), Ok(files));
        assert_eq!(CollateralFiles::from_cbor(&[0x82, 1, 0x80]), Ok(CollateralFiles::default()));
        for wrong in
            [&[0x82, 2, 0x80][..], &[0x82, 1, 0x80, 0], &[0x81, 1], &[0x82, 1, 0x81, 0x40], &[]]
        {
            assert!(CollateralFiles::from_cbor(wrong).is_err(), "{wrong:?}");
        }
        let many = [&[0x82, 1, 0x91][..], &[0x41, 7].repeat(17)].concat();
        assert_eq!(CollateralFiles::from_cbor(&many).map_err(drop), Err(()));
        let kept = CollateralFiles::new(vec![vec![7]; 17]);
        assert_eq!(CollateralFiles::from_cbor(&kept.to_cbor()), Ok(kept));
    }

    #[test]
    fn each_kind_finds_its_own() {
        let certificate = include_bytes!("../testdata/snp/trustee/test-vcek.der").to_vec();
        let files = CollateralFiles::new([b"neither".to_vec(), certificate.clone()]);
        assert_eq!(files.tdx(), None);
        let found = files.snp().unwrap();
        assert_eq!((found.certificates, found.revocation), (vec![certificate], None));
        assert_eq!(CollateralFiles::new([b"neither".to_vec()]).snp(), None);
    }
}
