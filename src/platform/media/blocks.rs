//! Reading by whole blocks into aligned memory, as unbuffered files want it.

use std::fs::File;
use std::io::{self, Read};

/// Block size that every file system which reads unbuffered accepts for offsets, lengths and
/// memory.
const BLOCK: usize = 4096;

/// The whole of a file of `length` bytes, from an open file that may be unbuffered.
///
/// # Errors
/// What the system says, or `FileTooLarge` for this machine's memory.
pub(crate) fn read_blocks(file: File, length: u64) -> io::Result<Vec<u8>> {
    let length =
        usize::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut buffer = vec![0_u8; length.next_multiple_of(BLOCK) + 2 * BLOCK];
    let start = buffer.as_ptr().align_offset(BLOCK);
    let end = buffer.len() - BLOCK;
    let filled = read_full(file, &mut buffer[start..end])?;
    buffer.copy_within(start..start + filled, 0);
    buffer.truncate(filled);
    Ok(buffer)
}

fn read_full(mut file: File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    // A short read of a direct file is its end; asking on at an unaligned offset would be refused.
    while filled < buffer.len() && filled % BLOCK == 0 {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
