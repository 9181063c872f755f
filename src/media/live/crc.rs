//! The checksum that a zip has of each entry.

/// CRC-32 of bytes as they come.
#[derive(Default)]
pub struct Crc(crc32fast::Hasher);

impl Crc {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> u32 {
        self.0.finalize()
    }
}
