//! Who owns a file or folder and whom its access list names: made private when created, judged when
//! found.
//!
//! Trusted are SYSTEM, Administrators and the account this process runs as. An access list is read
//! as SDDL text ("Security Descriptor String Format"), in which each of these has one spelling.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Foundation::{
    ERROR_ALREADY_EXISTS, ERROR_SUCCESS, GENERIC_READ, GENERIC_WRITE,
};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1,
    SE_FILE_OBJECT,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR,
    SECURITY_ATTRIBUTES,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, READ_CONTROL,
};

use super::memory::Local;
use super::wide::wide;
use super::{call, process};

/// Creates a file that nobody but SYSTEM, Administrators and this account can open, readable and
/// writable here. `CreateFileW` with `CREATE_NEW`: an existing file stays as it is, and the access
/// list is there from the start.
///
/// # Errors
/// What Windows says; an existing name is `AlreadyExists`.
pub fn create_private(path: &Path) -> io::Result<File> {
    let descriptor = SecurityDescriptor::private("")?;
    let attributes = descriptor.attributes();
    let name = wide(path);
    let access = GENERIC_READ | GENERIC_WRITE;
    // SAFETY: the name ends in NUL; attributes and the descriptor in them outlive the call.
    let raw = unsafe {
        CreateFileW(
            name.as_ptr(),
            access,
            0,
            &raw const attributes,
            CREATE_NEW,
            FILE_ATTRIBUTE_NORMAL,
            ptr::null_mut(),
        )
    };
    if raw == INVALID_HANDLE_VALUE {
        return Err(call::last_error("CreateFileW", path.display()));
    }
    // SAFETY: a fresh handle to a file that nothing else owns.
    Ok(unsafe { File::from_raw_handle(raw) })
}

/// Makes a folder, and those above it that are missing, that nobody else can enter; what is made in
/// it inherits that (`CreateDirectoryW`). An existing one stays as it is: [`shared`] judges it.
///
/// # Errors
/// What Windows says.
pub fn make_private(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        make_private(parent)?;
    }
    let descriptor = SecurityDescriptor::private("OICI")?;
    let attributes = descriptor.attributes();
    let name = wide(folder);
    // SAFETY: the name ends in NUL; attributes and the descriptor in them outlive the call.
    let made = unsafe { CreateDirectoryW(name.as_ptr(), &raw const attributes) };
    match call::succeeded(made, "CreateDirectoryW", folder.display()) {
        Err(error)
            if call::code_of(&error) == Some(ERROR_ALREADY_EXISTS.cast_signed())
                && folder.is_dir() =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Whether anybody but SYSTEM, Administrators and this account owns a folder or is let into it. A
/// link is judged itself, not what it leads to: whoever can make one decides where it leads.
///
/// # Errors
/// What Windows says.
pub fn shared(folder: &Path) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    options
        .access_mode(READ_CONTROL)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
    let sddl = sddl_of(&options.open(folder)?)?;
    let me = account()?;
    Ok(!trusted(owner(&sddl), &me) || lets_others_in(&sddl, &me))
}

/// Whether anybody but SYSTEM, Administrators and this account owns a file. Its access list is the
/// folder's, which [`shared`] judges: a file made there takes it over.
///
/// # Errors
/// What Windows says.
pub fn shared_file(path: &Path) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    options
        .access_mode(READ_CONTROL)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
    let sddl = sddl_of(&options.open(path)?)?;
    Ok(!trusted(owner(&sddl), &account()?))
}

/// The same of a secret's file; what is in it is encrypted for this machine as well.
///
/// # Errors
/// What Windows says.
pub fn key_shared(path: &Path) -> io::Result<bool> {
    shared_file(path)
}

/// A file takes over its folder's access list.
///
/// # Errors
/// Never.
pub fn keep_private(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Whether the access list of an open file lets anybody in but SYSTEM, Administrators and this
/// account. A file system without access lists (a FAT stick) lets everybody in.
///
/// # Errors
/// What Windows says.
pub fn readable_by_others(file: &File) -> io::Result<bool> {
    Ok(lets_others_in(&sddl_of(file)?, &account()?))
}

/// Owner and access list of an open file or folder as SDDL text (`GetSecurityInfo`).
///
/// # Errors
/// What Windows says.
pub fn sddl_of(file: &File) -> io::Result<String> {
    let mut descriptor = Local(ptr::null_mut());
    // SAFETY: the handle is open; the four parts that are not asked for apart may be null.
    let code = unsafe {
        GetSecurityInfo(
            file.as_raw_handle(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut descriptor.0,
        )
    };
    if code != ERROR_SUCCESS {
        return Err(call::coded("GetSecurityInfo", "of an open file", code));
    }
    SecurityDescriptor(descriptor).to_sddl()
}

/// The account this process runs as, as SDDL spells it (`TokenUser`).
///
/// # Errors
/// What Windows says.
pub fn account() -> io::Result<String> {
    spelled(&process::account_sid()?)
}

/// How SDDL spells the account of a SID: "LA" for the built-in administrator, mostly the SID
/// itself.
///
/// # Errors
/// What Windows says.
pub fn spelled(sid: &str) -> io::Result<String> {
    let sddl = SecurityDescriptor::parse(&format!("O:{sid}"))?.to_sddl()?;
    Ok(owner(&sddl).to_owned())
}

/// A security descriptor in memory of Windows.
struct SecurityDescriptor(Local<std::ffi::c_void>);

impl SecurityDescriptor {
    /// Owner and a protected access list for the trusted accounts. An elevated process leaves out
    /// its own account: what it makes must not open for the same person's programs that run without
    /// elevation. One that is not elevated would lock itself out.
    fn private(inherit: &str) -> io::Result<Self> {
        let owner = if process::is_elevated()? {
            "O:BA".to_owned()
        } else {
            String::new()
        };
        let me = if owner.is_empty() {
            format!("(A;{inherit};FA;;;{})", account()?)
        } else {
            String::new()
        };
        Self::parse(&format!(
            "{owner}D:P(A;{inherit};FA;;;SY)(A;{inherit};FA;;;BA){me}"
        ))
    }

    /// `ConvertStringSecurityDescriptorToSecurityDescriptorW`.
    fn parse(sddl: &str) -> io::Result<Self> {
        let text = wide(sddl);
        let mut descriptor: PSECURITY_DESCRIPTOR = ptr::null_mut();
        // SAFETY: the text ends in NUL; the size is not asked for.
        let parsed = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                ptr::null_mut(),
            )
        };
        call::succeeded(
            parsed,
            "ConvertStringSecurityDescriptorToSecurityDescriptorW",
            sddl,
        )?;
        Ok(Self(Local(descriptor)))
    }

    /// `ConvertSecurityDescriptorToStringSecurityDescriptorW`: owner and access list.
    fn to_sddl(&self) -> io::Result<String> {
        let mut text = Local(ptr::null_mut());
        // SAFETY: the descriptor is one that Windows made; the length is not asked for.
        let printed = unsafe {
            ConvertSecurityDescriptorToStringSecurityDescriptorW(
                self.0.0,
                SDDL_REVISION_1,
                OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                &raw mut text.0,
                ptr::null_mut(),
            )
        };
        call::succeeded(
            printed,
            "ConvertSecurityDescriptorToStringSecurityDescriptorW",
            "of a file",
        )?;
        Ok(text.text().to_string_lossy().into_owned())
    }

    fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.0.0,
            bInheritHandle: 0,
        }
    }
}

/// The owner in `O:BAD:P(…)`.
fn owner(sddl: &str) -> &str {
    let owner = sddl.strip_prefix("O:").unwrap_or_default();
    owner.find("D:").map_or(owner, |end| &owner[..end])
}

/// Whether an entry of the access list allows anything to anybody else, now or by inheritance.
/// Entries that deny only take away; kinds unknown here count as allowing. No list at all lets
/// everybody in.
fn lets_others_in(sddl: &str, me: &str) -> bool {
    let Some((_, list)) = sddl.split_once("D:") else {
        return true;
    };
    if list.contains("NO_ACCESS_CONTROL") {
        return true;
    }
    list.split('(').skip(1).any(|entry| {
        let mut fields = entry.split(')').next().unwrap_or_default().split(';');
        let kind = fields.next().unwrap_or_default();
        let who = fields.nth(4).unwrap_or_default();
        kind != "D" && !trusted(who, me)
    })
}

fn trusted(who: &str, me: &str) -> bool {
    who == "SY" || who == "BA" || who == me
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "S-1-5-21-1-2-3-1001";

    fn list(entries: &str) -> bool {
        lets_others_in(&format!("O:BAD:P{entries}"), ME)
    }

    #[test]
    fn system_administrators_and_this_account_are_let_in_and_nobody_else() {
        assert!(!list(
            "(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;;FA;;;S-1-5-21-1-2-3-1001)"
        ));
        for other in ["WD", "BU", "AU", "IU", "CO", "S-1-5-21-1-2-3-1002"] {
            assert!(list(&format!("(A;;FA;;;BA)(A;;FR;;;{other})")), "{other}");
        }
    }

    #[test]
    fn no_access_list_lets_everybody_in() {
        assert!(lets_others_in("O:BA", ME));
        assert!(lets_others_in("O:BAD:NO_ACCESS_CONTROL", ME));
    }

    #[test]
    fn entries_that_deny_do_not_open_and_unknown_kinds_do() {
        assert!(!list("(D;;FA;;;WD)(A;;FA;;;BA)"));
        assert!(list("(XA;;FR;;;WD;(@User.x==1))"));
    }

    #[test]
    fn the_owner_stands_before_the_access_list() {
        assert_eq!(owner("O:BAD:P(A;;FA;;;SY)"), "BA");
        assert_eq!(owner("O:DAD:(A;;FA;;;SY)"), "DA");
        assert_eq!(owner("O:S-1-5-18"), "S-1-5-18");
    }
}
