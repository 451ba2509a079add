//! TCB versions: how new each part of a processor's firmware is.
//!
//! Eight bytes whose order depends on the product. Compared part by part and never as one number: a
//! newer microcode does not make up for an older boot loader.

use alloc::vec::Vec;
use core::fmt;

use super::product::Product;

/// Security versions of the firmware.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Tcb {
    /// Firmware management controller; 0 before Turin, which is the first to have one.
    pub fmc: u8,
    /// Boot loader of the secure processor.
    pub bootloader: u8,
    /// Operating system of the secure processor.
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// Microcode, the lowest of all cores.
    pub microcode: u8,
}

/// A part of the firmware that has a version.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Component {
    /// Firmware management controller.
    Fmc,
    /// Boot loader of the secure processor.
    Bootloader,
    /// Operating system of the secure processor.
    Tee,
    /// SNP firmware.
    Snp,
    /// Microcode.
    Microcode,
}

/// A part of the firmware that is older than a policy asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shortfall {
    /// Which part.
    pub component: Component,
    /// Its version.
    pub got: u8,
    /// The least accepted.
    pub want: u8,
}

/// Which TCB of a report.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// What the certificate of the key vouches for.
    Reported,
    /// What the machine cannot be rolled back below.
    Committed,
    /// What runs now, by the machine's own word.
    Current,
    /// What ran when the guest was launched or imported.
    Launch,
}

impl Tcb {
    /// No demand on any part.
    pub const ZERO: Self = Self { fmc: 0, bootloader: 0, tee: 0, snp: 0, microcode: 0 };

    /// Reads eight bytes in the order of a product; nothing if a reserved one is not zero.
    pub(super) const fn read(bytes: [u8; 8], product: Product) -> Option<Self> {
        match (product, bytes) {
            (Product::Milan | Product::Genoa, [bootloader, tee, 0, 0, 0, 0, snp, microcode]) => {
                Some(Self { fmc: 0, bootloader, tee, snp, microcode })
            }
            (Product::Turin, [fmc, bootloader, tee, snp, 0, 0, 0, microcode]) => {
                Some(Self { fmc, bootloader, tee, snp, microcode })
            }
            _ => None,
        }
    }

    /// Each part with its version.
    pub const fn components(&self) -> [(Component, u8); 5] {
        [
            (Component::Fmc, self.fmc),
            (Component::Bootloader, self.bootloader),
            (Component::Tee, self.tee),
            (Component::Snp, self.snp),
            (Component::Microcode, self.microcode),
        ]
    }

    /// The parts that are older here than in `floor`.
    pub fn shortfalls(&self, floor: &Self) -> Vec<Shortfall> {
        let pairs = self.components().into_iter().zip(floor.components());
        pairs
            .filter(|((_, got), (_, want))| got < want)
            .map(|((component, got), (_, want))| Shortfall { component, got, want })
            .collect()
    }
}

impl fmt::Display for Tcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fmc != 0 {
            write!(f, "fmc {}, ", self.fmc)?;
        }
        let Self { bootloader, tee, snp, microcode, .. } = self;
        write!(f, "boot loader {bootloader}, tee {tee}, snp {snp}, microcode {microcode}")
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fmc => "fmc",
            Self::Bootloader => "boot loader",
            Self::Tee => "tee",
            Self::Snp => "snp",
            Self::Microcode => "microcode",
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reported => "reported",
            Self::Committed => "committed",
            Self::Current => "current",
            Self::Launch => "launch",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_bytes_depends_on_the_product() {
        let milan = Tcb { fmc: 0, bootloader: 3, tee: 1, snp: 8, microcode: 115 };
        assert_eq!(Tcb::read([3, 1, 0, 0, 0, 0, 8, 115], Product::Milan), Some(milan));
        assert_eq!(Tcb::read([3, 1, 0, 0, 0, 0, 8, 115], Product::Genoa), Some(milan));
        assert_eq!(Tcb::read([3, 1, 0, 0, 0, 0, 8, 115], Product::Turin), None);
        let turin = Tcb { fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 81 };
        assert_eq!(Tcb::read([1, 2, 3, 4, 0, 0, 0, 81], Product::Turin), Some(turin));
        assert_eq!(Tcb::read([1, 2, 3, 4, 0, 0, 0, 81], Product::Genoa), None);
        for reserved in 2..6 {
            let mut bytes = [0; 8];
            bytes[reserved] = 1;
            assert_eq!(Tcb::read(bytes, Product::Milan), None);
        }
    }

    #[test]
    fn a_shortfall_names_the_part_and_by_how_much() {
        let got = Tcb { fmc: 1, bootloader: 4, tee: 0, snp: 24, microcode: 200 };
        let floor = Tcb { fmc: 0, bootloader: 4, tee: 0, snp: 25, microcode: 219 };
        let short = [(Component::Snp, 24, 25), (Component::Microcode, 200, 219)]
            .map(|(component, got, want)| Shortfall { component, got, want });
        assert_eq!(got.shortfalls(&floor), short);
        assert_eq!(got.shortfalls(&Tcb::ZERO), []);
        assert_eq!(got.shortfalls(&got), []);
    }
}
