//! The file of acknowledged ids: one a line with the durability that the acknowledgement stands
//! for.
//!
//! A line is written when the acknowledgement is there and before the next batch is sent, so a
//! file that outlives a killed sender claims nothing too much.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// An open file of acknowledged ids.
#[derive(Debug)]
pub struct Acknowledged {
    file: Mutex<File>,
    durability: &'static str,
}

impl Acknowledged {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn create(path: &Path, durability: &'static str) -> std::io::Result<Self> {
        Ok(Self { file: Mutex::new(File::create(path)?), durability })
    }

    /// Writes the ids of one acknowledged batch in one call.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn write(&self, ids: &[String]) -> std::io::Result<()> {
        let lines: String = ids.iter().map(|id| format!("{id} {}\n", self.durability)).collect();
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines.as_bytes())
    }
}
