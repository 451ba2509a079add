//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.

use crate::block::Block;

/// A block is refused or read to its last column.
pub fn fuzz_block(data: &[u8]) {
    let Ok(block) = Block::open(data) else { return };
    assert!(block.rows() > 0, "a block has rows");
    let _ = block.check();
}

/// A push as JSON and as protobuf is refused or becomes rows that have labels and a time.
pub fn fuzz_push(data: &[u8]) {
    crate::surface::read_push(data);
}
