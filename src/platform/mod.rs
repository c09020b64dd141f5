//! What the operating system does for the program: one set of functions, one module for each
//! system.

pub mod event;
#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "files of the kernel")]
pub mod linux;
pub mod media;
pub mod patience;
pub mod private_files;
pub mod protected;
#[cfg(windows)]
#[expect(unsafe_code, reason = "the one place that calls Windows")]
pub mod windows;

#[cfg(target_os = "linux")]
pub use linux as system;
#[cfg(windows)]
pub use windows as system;

/// Whether the system speaks Japanese.
pub fn is_japanese() -> bool {
    sys_locale::get_locale().is_some_and(|locale| locale.starts_with("ja"))
}

/// The account that runs this, for people: as the system has it where it is asked simply, else as
/// the environment claims.
pub fn account() -> Option<String> {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let claimed = || {
        let user = value("USERNAME")?;
        Some(match value("USERDOMAIN") {
            Some(domain) => format!("{domain}\\{user}"),
            None => user,
        })
    };
    system::account().or_else(claimed)
}
