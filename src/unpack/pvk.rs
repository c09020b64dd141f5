//! PVK, the key files of Microsoft's old tools: magic, zero, what the key is for, whether it is
//! encrypted, the lengths of salt and key, all as little-endian words; then the salt, and a
//! `PRIVATEKEYBLOB` of CryptoAPI.

/// Octets of the header.
const HEADER: usize = 24;

/// A file of this form.
pub(crate) struct PvkFile<'a> {
    /// Whether a password protects the key.
    pub(crate) is_encrypted: bool,
    /// The key, not checked.
    pub(crate) blob: &'a [u8],
}

/// Takes a file apart whose magic was seen; `None` where it is cut off or of another form.
pub(crate) fn read(bytes: &[u8]) -> Option<PvkFile<'_>> {
    let word = |at: usize| {
        let word = bytes.get(4 * at..4 * at + 4)?;
        Some(u32::from_le_bytes(word.try_into().ok()?))
    };
    let is_encrypted = match word(3)? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let salt = usize::try_from(word(4)?).ok()?;
    let blob = bytes.get(HEADER.checked_add(salt)?..)?;
    Some(PvkFile { is_encrypted, blob })
}
