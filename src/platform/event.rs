//! What the system's event log must show: a program that reads private keys must be visible.

/// What happened. The numbers are event ids, which monitoring looks for: part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Event {
    /// A private key left the certificate store.
    KeyExported = 100,
    /// A private key was put into the certificate store.
    KeyImported = 101,
    /// A private key was deleted.
    KeyDeleted = 102,
    /// A handling rule refused something.
    RuleRefused = 200,
    /// A handling rule would have refused something, and was set aside.
    RuleSetAside = 201,
    /// `status` found something that needs attention.
    NeedsAttention = 300,
}
