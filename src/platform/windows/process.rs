//! This process and its machine: name, account, elevation, and what must not leave the process's
//! memory.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    GetTokenInformation, PSID, TOKEN_ELEVATION, TOKEN_INFORMATION_CLASS, TOKEN_QUERY, TOKEN_USER,
    TokenElevation, TokenUser,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode,
};
use windows_sys::Win32::System::ErrorReporting::{WER_FAULT_REPORTING_FLAG_NOHEAP, WerSetFlags};
use windows_sys::Win32::System::LibraryLoader::{
    LOAD_LIBRARY_SEARCH_SYSTEM32, SetDefaultDllDirectories,
};
use windows_sys::Win32::System::Memory::{
    QUOTA_LIMITS_HARDWS_MIN_ENABLE, SetProcessWorkingSetSizeEx,
};
use windows_sys::Win32::System::SystemInformation::{ComputerNameDnsHostname, GetComputerNameExW};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::call;
use super::memory::Local;
use super::wide::narrow;

/// Largest SID with its attributes: `SECURITY_MAX_SID_SIZE` is 68 bytes, in units of eight for its
/// alignment.
const TOKEN_WORDS: usize = 16;
/// Longest DNS host name label, with its NUL: 63 bytes, and room for what a registry may hold.
const HOST_NAME: usize = 256;

/// The account of this process. It is not asked for here: the environment of a logon has it.
pub fn account() -> Option<String> {
    None
}

/// This machine's name (`GetComputerNameExW`, `ComputerNameDnsHostname`: not cut to 15 letters,
/// unlike the NetBIOS name). Empty if Windows will not say.
pub fn host_name() -> String {
    let mut buffer = [0_u16; HOST_NAME];
    let mut length = HOST_NAME as u32;
    // SAFETY: the buffer holds `length` units.
    let told = unsafe {
        GetComputerNameExW(
            ComputerNameDnsHostname,
            buffer.as_mut_ptr(),
            &raw mut length,
        )
    };
    if told == 0 {
        return String::new();
    }
    narrow(&buffer).to_string_lossy().into_owned()
}

/// Keeps secrets out of crash reports and foreign code out of the process: no error dialog and no
/// heap in a report (`SetErrorMode`, `WerSetFlags`), libraries only from System32 from now on
/// (`SetDefaultDllDirectories`), and memory up to a bound that Windows does not write to the page
/// file to make room for others (`SetProcessWorkingSetSizeEx`).
///
/// A dump that an administrator asked for in the registry ("Collecting User-Mode Dumps") is made
/// all the same.
pub fn harden_process() {
    // Each is a second line: a Windows that refuses one is no reason to refuse a backup.
    // SAFETY: takes and returns plain numbers.
    let _before = unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX) };
    // SAFETY: takes and returns plain numbers.
    let _said = unsafe { WerSetFlags(WER_FAULT_REPORTING_FLAG_NOHEAP) };
    // SAFETY: takes and returns plain numbers.
    let _set = unsafe { SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32) };
    let (least, most) = (KEPT_IN_MEMORY, 2 * KEPT_IN_MEMORY);
    // SAFETY: a constant that means this process.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: takes the handle of this process and plain numbers, and returns one.
    let _kept =
        unsafe { SetProcessWorkingSetSizeEx(process, least, most, QUOTA_LIMITS_HARDWS_MIN_ENABLE) };
}

/// Bytes of this process that stay in memory: what it holds while secrets are in it, without scrypt's.
const KEPT_IN_MEMORY: usize = 64 * 1024 * 1024;

/// Whether this process has the rights of an administrator (`TokenElevation`).
///
/// # Errors
/// What Windows says.
pub fn is_elevated() -> io::Result<bool> {
    let information = token_information(TokenElevation, "TokenElevation")?;
    // SAFETY: the call above filled the buffer with this structure; the buffer is aligned for it.
    let elevation = unsafe { *information.as_ptr().cast::<TOKEN_ELEVATION>() };
    Ok(elevation.TokenIsElevated != 0)
}

/// The account a process runs as, with the memory its SID lies in.
pub(super) struct Account(Box<[u64; TOKEN_WORDS]>);

impl Account {
    /// This process's (`TokenUser`).
    ///
    /// # Errors
    /// What Windows says.
    pub(super) fn of_this_process() -> io::Result<Self> {
        token_information(TokenUser, "TokenUser").map(Self)
    }

    /// Its SID, good as long as `self` is.
    pub(super) fn sid(&self) -> PSID {
        // SAFETY: the call that made `self` filled the buffer with this structure; the buffer is
        // aligned for it.
        let user = unsafe { *self.0.as_ptr().cast::<TOKEN_USER>() };
        user.User.Sid
    }
}

/// The SID of the account this process runs as, as text: `S-1-5-…`.
///
/// # Errors
/// What Windows says.
pub(super) fn account_sid() -> io::Result<String> {
    let account = Account::of_this_process()?;
    let mut text = Local(ptr::null_mut());
    // SAFETY: the SID lies in `account`, which is still there.
    let printed = unsafe { ConvertSidToStringSidW(account.sid(), &raw mut text.0) };
    call::succeeded(printed, "ConvertSidToStringSidW", "of this account")?;
    Ok(text.text().to_string_lossy().into_owned())
}

/// Boxed, because the structures point into their own buffer: it must not move.
fn token_information(
    class: TOKEN_INFORMATION_CLASS,
    name: &str,
) -> io::Result<Box<[u64; TOKEN_WORDS]>> {
    let token = process_token()?;
    let mut buffer = Box::new([0_u64; TOKEN_WORDS]);
    let size = size_of_val(&*buffer) as u32;
    let mut length = 0;
    // SAFETY: the buffer holds `size` bytes.
    let told = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            class,
            buffer.as_mut_ptr().cast::<c_void>(),
            size,
            &raw mut length,
        )
    };
    call::succeeded(told, "GetTokenInformation", name)?;
    Ok(buffer)
}

fn process_token() -> io::Result<OwnedHandle> {
    let mut token = ptr::null_mut();
    // SAFETY: returns a constant that needs no closing.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the process is this one.
    let opened = unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) };
    call::succeeded(opened, "OpenProcessToken", "of this process")?;
    // SAFETY: a fresh handle that nothing else owns.
    Ok(unsafe { OwnedHandle::from_raw_handle(token) })
}
