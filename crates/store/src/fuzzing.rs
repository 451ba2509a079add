//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.

use crate::block::Block;
use crate::trace::TraceBlock;

/// A block is refused or read to its last column.
pub fn fuzz_block(data: &[u8]) {
    let Ok(block) = Block::open(data) else { return };
    assert!(block.rows() > 0, "a block has rows");
    let _ = block.check();
}

/// A block of spans is refused, or read to its last span.
pub fn fuzz_trace_block(data: &[u8]) {
    let Ok(block) = TraceBlock::open(data) else { return };
    assert!(block.spans > 0, "a block has spans");
    let mut spans = 0_u64;
    if block.each(data, &mut |_, _| spans += 1).is_ok() {
        assert!(spans > 0, "a block that can be read has spans");
    }
}

/// A push as JSON and as protobuf is refused or becomes rows that have labels and a time.
pub fn fuzz_push(data: &[u8]) {
    crate::surface::read_push(data);
}
