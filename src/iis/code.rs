//! What Windows answers: the one table that turns its codes into classes and sentences.

use std::fmt;

use crate::error::{Error, Exit};
use crate::message::Text;
use crate::text;

/// A Win32 error, `HRESULT` or `SECURITY_STATUS`, as the 32 bits that Windows documents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    /// `ERROR_FILE_NOT_FOUND`: no such store.
    pub const FILE_NOT_FOUND: Self = Self(2);
    /// `ERROR_ACCESS_DENIED`.
    pub const ACCESS_DENIED: Self = Self(5);
    /// `ERROR_INVALID_DATA`: an answer that is not what its documentation says.
    pub const INVALID_DATA: Self = Self(13);
    /// `ERROR_INVALID_PASSWORD`: of a PFX, also an encryption that this Windows does not know.
    pub const INVALID_PASSWORD: Self = Self(86);
    /// `ERROR_INVALID_PARAMETER`.
    pub const INVALID_PARAMETER: Self = Self(87);
    /// `ERROR_NO_MORE_ITEMS`.
    pub const NO_MORE_ITEMS: Self = Self(259);
    /// `E_ACCESSDENIED`.
    pub const E_ACCESS_DENIED: Self = Self(0x8007_0005);
    /// `NTE_BAD_KEY`.
    pub const BAD_KEY: Self = Self(0x8009_0003);
    /// `NTE_BAD_DATA`.
    pub const BAD_DATA: Self = Self(0x8009_0005);
    /// `NTE_BAD_TYPE`.
    pub const BAD_TYPE: Self = Self(0x8009_000A);
    /// `NTE_BAD_KEY_STATE`: "Key not valid for use in specified state".
    pub const BAD_KEY_STATE: Self = Self(0x8009_000B);
    /// `NTE_NO_KEY`: the container has no key of that specification.
    pub const NO_KEY: Self = Self(0x8009_000D);
    /// `NTE_EXISTS`.
    pub const EXISTS: Self = Self(0x8009_000F);
    /// `NTE_PERM`.
    pub const PERM: Self = Self(0x8009_0010);
    /// `NTE_NOT_FOUND`.
    pub const NOT_FOUND: Self = Self(0x8009_0011);
    /// `NTE_BAD_KEYSET`: "Keyset does not exist".
    pub const BAD_KEYSET: Self = Self(0x8009_0016);
    /// `NTE_KEYSET_NOT_DEF`: no such provider.
    pub const KEYSET_NOT_DEF: Self = Self(0x8009_0019);
    /// `NTE_SILENT_CONTEXT`: the key wants to ask a person.
    pub const SILENT_CONTEXT: Self = Self(0x8009_0022);
    /// `NTE_NOT_SUPPORTED`.
    pub const NOT_SUPPORTED: Self = Self(0x8009_0029);
    /// `NTE_NO_MORE_ITEMS`.
    pub const CNG_NO_MORE_ITEMS: Self = Self(0x8009_002A);
    /// `CRYPT_E_NOT_FOUND`.
    pub const CERT_NOT_FOUND: Self = Self(0x8009_2004);
    /// `CRYPT_E_EXISTS`.
    pub const CERT_EXISTS: Self = Self(0x8009_2005);

    /// Whether a key is not there, for all that this process can see.
    pub fn is_missing_key(self) -> bool {
        [
            Self::BAD_KEYSET,
            Self::NO_KEY,
            Self::NOT_FOUND,
            Self::FILE_NOT_FOUND,
            Self::KEYSET_NOT_DEF,
        ]
        .contains(&self)
    }

    /// Whether this is how a provider says that a key may not leave it.
    pub fn is_not_exportable(self) -> bool {
        [
            Self::BAD_KEY_STATE,
            Self::BAD_KEY,
            Self::PERM,
            Self::BAD_TYPE,
            Self::NOT_SUPPORTED,
        ]
        .contains(&self)
    }

    /// Whether the configuration of IIS was in somebody's hands for a moment: another program has
    /// the file open (`ERROR_SHARING_VIOLATION`, `ERROR_LOCK_VIOLATION`), or wrote it since it was
    /// read ("the file has changed on disk": public reports show .NET's `FileLoadException`, which
    /// stands for these and `ERROR_FILE_INVALID`).
    pub fn is_momentary(self) -> bool {
        [0x8007_0020, 0x8007_0021, 0x8007_03EE].contains(&self.0)
    }

    /// What it means to an administrator.
    fn meaning(self) -> Text {
        match self {
            Self::FILE_NOT_FOUND => text!("windows-not-found"),
            Self::ACCESS_DENIED | Self::E_ACCESS_DENIED | Self::PERM => text!("windows-denied"),
            Self::BAD_KEY_STATE => text!("no-export-marked"),
            Self::NO_KEY | Self::NOT_FOUND | Self::BAD_KEYSET => text!("windows-no-key"),
            Self::EXISTS => text!("windows-key-exists"),
            Self::KEYSET_NOT_DEF => text!("windows-no-provider"),
            Self::SILENT_CONTEXT => text!("windows-wants-a-person"),
            Self::NOT_SUPPORTED => text!("windows-not-supported"),
            Self::CERT_NOT_FOUND => text!("windows-no-certificate"),
            Self::CERT_EXISTS => text!("windows-certificate-exists"),
            Self::INVALID_PARAMETER => text!("windows-invalid-parameter"),
            Self::INVALID_PASSWORD | Self(0x8007_0056) => text!("windows-invalid-password"),
            // ERROR_ALREADY_EXISTS
            Self(183 | 0x8007_00B7) => text!("windows-exists"),
            // ERROR_NO_SUCH_LOGON_SESSION, as http.sys calls it: "the SSL certificate is invalid".
            Self(1312 | 0x8007_0520) => text!("windows-certificate-not-usable"),
            // ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_FILE_INVALID
            Self(32 | 33 | 0x8007_0020 | 0x8007_0021 | 0x8007_03EE) => text!("windows-in-use"),
            // REGDB_E_CLASSNOTREG
            Self(0x8004_0154) => text!("windows-no-iis"),
            _ => text!("windows-other"),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0x1_0000 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "0x{:08X}", self.0)
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({self})")
    }
}

/// A call that Windows refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call} on {object}: {code}")]
pub struct WindowsError {
    /// The function.
    pub call: &'static str,
    /// What it was about: a store, a container, a provider.
    pub object: String,
    /// Its answer.
    pub code: Code,
}

impl WindowsError {
    /// A refused call.
    pub fn new(call: &'static str, object: impl fmt::Display, code: Code) -> Self {
        Self {
            call,
            object: object.to_string(),
            code,
        }
    }

    /// Which part of Windows refused, by the function.
    fn part(&self) -> Part {
        let begins = |prefix: &str| self.call.starts_with(prefix);
        match self.call {
            _ if begins("Http") => Part::HttpSys,
            _ if ["Cert", "Crypt", "NCrypt", "PFX"].into_iter().any(begins) => Part::Stores,
            _ if APP_HOST.contains(&self.call) => Part::Iis,
            _ => Part::Stores,
        }
    }

    /// The sentence for people, with what a search engine needs.
    pub fn text(&self) -> Text {
        text!(
            "windows-refused",
            call = self.call,
            object = self.object.as_str(),
            code = self.code.to_string(),
            meaning = self.code.meaning()
        )
    }
}

/// A part of Windows that this program changes.
enum Part {
    Stores,
    HttpSys,
    Iis,
}

/// The functions of IIS's own writer and its tool.
const APP_HOST: [&str; 18] = [
    "appcmd",
    "appcmd add backup",
    "CoCreateInstance",
    "CoInitializeEx",
    "GetAdminSection",
    "put_CommitPath",
    "CommitChanges",
    "get_Collection",
    "get_Count",
    "get_Item",
    "get_StringValue",
    "put_Value",
    "AddElement",
    "DeleteElement",
    "CreateNewElement",
    "GetElementByName",
    "GetPropertyByName",
    "Clear",
];

impl From<WindowsError> for Error {
    fn from(error: WindowsError) -> Self {
        let reason = error.text();
        let text = match error.part() {
            Part::HttpSys => text!("error-http-sys", reason = reason),
            Part::Iis => text!("error-iis", reason = reason),
            Part::Stores => text!("error-windows", reason = reason),
        };
        Error::new(Exit::Failed, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_part_of_windows_and_what_the_best_known_codes_mean() {
        let said = |call, code| {
            let error = WindowsError::new(call, "0.0.0.0:443", Code(code));
            let meaning = error.code.meaning().id;
            (Error::from(error).text.id, meaning)
        };
        for (call, code, part, meaning) in [
            (
                "HttpSetServiceConfiguration",
                1312,
                "error-http-sys",
                "windows-certificate-not-usable",
            ),
            (
                "HttpSetServiceConfiguration",
                183,
                "error-http-sys",
                "windows-exists",
            ),
            (
                "HttpUpdateServiceConfiguration",
                87,
                "error-http-sys",
                "windows-invalid-parameter",
            ),
            ("CommitChanges", 0x8007_0020, "error-iis", "windows-in-use"),
            ("CommitChanges", 0x8007_0005, "error-iis", "windows-denied"),
            ("AddElement", 0x8007_00B7, "error-iis", "windows-exists"),
            (
                "CoCreateInstance",
                0x8004_0154,
                "error-iis",
                "windows-no-iis",
            ),
            ("appcmd add backup", 5, "error-iis", "windows-denied"),
            ("CertOpenStore", 5, "error-windows", "windows-denied"),
            (
                "NCryptOpenKey",
                0x8009_0016,
                "error-windows",
                "windows-no-key",
            ),
        ] {
            assert_eq!(said(call, code), (part, meaning), "{call} {code:x}");
        }
    }
}
