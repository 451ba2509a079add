//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.

use crate::address::Address;
use crate::nsm;

/// An address. What is understood is printed in one spelling.
pub fn fuzz_address(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    match text.parse::<Address>() {
        Ok(address) => assert_eq!(address.to_string().parse(), Ok(address)),
        Err(error) => assert!(error.to_string().contains("expected"), "{error}"),
    }
}

/// What a Nitro Secure Module answers; whatever it is, it is an answer or it is none.
pub fn fuzz_nsm_answer(bytes: &[u8]) {
    nsm::fuzz_answer(bytes);
}
