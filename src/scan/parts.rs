//! Files within files: what takes one apart hands each part on, and keeps to what is left of the
//! limits.

/// Looks into the parts of a file.
pub(super) trait Parts {
    /// Looks into `bytes`, which lie in the file under this name.
    fn part(&mut self, name: String, bytes: &[u8]);

    /// Bytes that may still be taken out of files.
    fn left(&mut self) -> &mut u64;

    /// Takes note that something was too large, or closed.
    fn leave_out(&mut self);

    /// What is found on the way was sent by mail.
    fn as_mail<T>(&mut self, look: impl FnOnce(&mut Self) -> T) -> T;
}
