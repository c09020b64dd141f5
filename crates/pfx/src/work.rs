//! What a file may ask of its reader. Honest files stay far below; a hostile one is refused before
//! the work is done.

use crate::Error;

/// Bytes of a whole PFX. A trust store of a thousand certificates has 2 MB.
const MAX_SIZE: usize = 8 << 20;
/// Bags and bag attributes in all.
const MAX_ENTRIES: u32 = 20_000;
/// Compressions in all, in the unit of SHA-256, which takes about 50 ns. A file of two million
/// rounds for MAC, key and certificates takes 10 to 24 million, or the whole 40 if it does
/// everything with SHA-512.
const MAX_COMPRESSIONS: u64 = 40_000_000;

/// What is left to spend on one file.
pub(crate) struct Work {
    entries: u32,
    compressions: u64,
}

impl Work {
    /// The whole allowance, for a file of `size` bytes.
    pub(crate) fn for_file(size: usize) -> Result<Self, Error> {
        if size > MAX_SIZE {
            return Err(too_much(format!("{size} bytes, more than {MAX_SIZE}")));
        }
        Ok(Self {
            entries: MAX_ENTRIES,
            compressions: MAX_COMPRESSIONS,
        })
    }

    /// One more bag or attribute.
    pub(crate) fn entry(&mut self) -> Result<(), Error> {
        self.entries = self
            .entries
            .checked_sub(1)
            .ok_or_else(|| too_much(format!("more than {MAX_ENTRIES} entries")))?;
        Ok(())
    }

    /// One key derivation: `rounds` of it, each costing `compressions`. To be called before it is
    /// done. The limit is on the sum, since a file can have any number of bags, each with its own
    /// count.
    pub(crate) fn derivation(&mut self, rounds: u32, compressions: u64) -> Result<(), Error> {
        let cost = u64::from(rounds).saturating_mul(compressions);
        self.compressions = self
            .compressions
            .checked_sub(cost)
            .ok_or_else(|| too_much(format!("{rounds} more rounds of key derivation")))?;
        Ok(())
    }
}

/// The error for anything over its limit.
pub(crate) fn too_much(what: impl Into<String>) -> Error {
    Error::TooMuchWork { what: what.into() }
}
