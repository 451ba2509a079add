//! Products: the families of processors that AMD has a root key for, and those roots.
//!
//! The roots are part of the program, byte for byte. A root that came with evidence or from a
//! server is never used; it is only compared.

use core::fmt;

use super::report::KeyClass;

/// A family of processors under one root of AMD.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Product {
    /// EPYC 7003. The seed of its keys can be read out by software, so that any report of it may be
    /// forged: name it in a policy only where that does not matter.
    Milan,
    /// EPYC 9004 and 8004: Genoa, Bergamo, Siena.
    Genoa,
    /// EPYC 9005.
    Turin,
}

impl Product {
    /// The product of a processor, by what CPUID says of its family and model.
    pub(super) const fn of_cpuid(family: u8, model: u8) -> Option<Self> {
        match (family, model) {
            (0x19, 0x00..=0x0f) => Some(Self::Milan),
            (0x19, 0x10..=0x1f | 0xa0..=0xaf) => Some(Self::Genoa),
            (0x1a, 0x00..=0x1f) => Some(Self::Turin),
            _ => None,
        }
    }

    /// The product by its name in a certificate, with or without a stepping: `Milan-B0`.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        match name.split_once('-').map_or(name, |(product, _)| product) {
            "Milan" => Some(Self::Milan),
            "Genoa" | "Bergamo" | "Siena" => Some(Self::Genoa),
            "Turin" => Some(Self::Turin),
            _ => None,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }

    /// Common name of its root.
    pub(super) const fn root_name(self) -> &'static str {
        match self {
            Self::Milan => "ARK-Milan",
            Self::Genoa => "ARK-Genoa",
            Self::Turin => "ARK-Turin",
        }
    }

    /// Common name of what issues keys of this class.
    pub(super) const fn issuer_name(self, class: KeyClass) -> &'static str {
        match (self, class) {
            (Self::Milan, KeyClass::Vcek) => "SEV-Milan",
            (Self::Genoa, KeyClass::Vcek) => "SEV-Genoa",
            (Self::Turin, KeyClass::Vcek) => "SEV-Turin",
            (Self::Milan, KeyClass::Vlek) => "SEV-VLEK-Milan",
            (Self::Genoa, KeyClass::Vlek) => "SEV-VLEK-Genoa",
            (Self::Turin, KeyClass::Vlek) => "SEV-VLEK-Turin",
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The root certificate (ARK) of each product, in DER.
#[derive(Clone, Copy)]
pub(super) struct Roots<'a> {
    pub(super) milan: &'a [u8],
    pub(super) genoa: &'a [u8],
    pub(super) turin: &'a [u8],
}

impl<'a> Roots<'a> {
    /// The root of one product.
    pub(super) const fn of(&self, product: Product) -> &'a [u8] {
        match product {
            Product::Milan => self.milan,
            Product::Genoa => self.genoa,
            Product::Turin => self.turin,
        }
    }

    /// Whether these bytes are one of the roots.
    pub(super) fn contain(&self, der: &[u8]) -> bool {
        [self.milan, self.genoa, self.turin].contains(&der)
    }
}

/// The roots that AMD publishes, valid to 2045, 2047 and 2048.
pub(super) const AMD: Roots<'static> = Roots {
    milan: include_bytes!("roots/ark_milan.der"),
    genoa: include_bytes!("roots/ark_genoa.der"),
    turin: include_bytes!("roots/ark_turin.der"),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::Fingerprint;

    /// As `openssl x509 -fingerprint -sha256` has them.
    #[test]
    fn the_roots_are_those_that_amd_publishes() {
        let found = [Product::Milan, Product::Genoa, Product::Turin]
            .map(|product| alloc::format!("{}", Fingerprint::of(AMD.of(product))));
        assert_eq!(found, ROOT_FINGERPRINTS);
    }

    const ROOT_FINGERPRINTS: [&str; 3] = [
        "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
        "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
        "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
    ];

    #[test]
    fn processors_belong_to_the_product_that_amd_says() {
        for (family, model, product) in [
            (0x19, 0x01, Some(Product::Milan)),
            (0x19, 0x0f, Some(Product::Milan)),
            (0x19, 0x10, Some(Product::Genoa)),
            (0x19, 0x1f, Some(Product::Genoa)),
            (0x19, 0x20, None),
            (0x19, 0x9f, None),
            (0x19, 0xa0, Some(Product::Genoa)),
            (0x19, 0xaf, Some(Product::Genoa)),
            (0x19, 0xb0, None),
            (0x1a, 0x00, Some(Product::Turin)),
            (0x1a, 0x1f, Some(Product::Turin)),
            (0x1a, 0x20, None),
            (0x17, 0x01, None),
            (0, 0, None),
        ] {
            assert_eq!(Product::of_cpuid(family, model), product, "{family:x} {model:x}");
        }
    }

    #[test]
    fn names_are_read_with_and_without_a_stepping() {
        for (name, product) in [
            ("Milan-B0", Some(Product::Milan)),
            ("Milan", Some(Product::Milan)),
            ("Siena-B1", Some(Product::Genoa)),
            ("Turin", Some(Product::Turin)),
            ("Turinx", None),
            ("milan", None),
            ("Venice", None),
            ("", None),
        ] {
            assert_eq!(Product::of_name(name), product, "{name}");
        }
    }
}
