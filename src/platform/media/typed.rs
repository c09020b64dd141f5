//! A medium as people type it on Windows: `E`, `E:`, `E:\`, and what the command line makes of
//! `"E:\"`.

use std::path::PathBuf;

use unicode_normalization::UnicodeNormalization;

/// The path that was meant by an argument that names a medium.
pub fn typed(argument: &str) -> PathBuf {
    if cfg!(windows) {
        typed_on_windows(argument)
    } else {
        PathBuf::from(argument)
    }
}

/// The path that was meant by an argument typed on Windows.
///
/// A drive letter alone, in full width too, is its root: `E:` by itself would be the current folder
/// of that drive.
/// Quoting a path that ends in a backslash, `"E:\"`, leaves the quote in the argument, because `\"`
/// is how a quote is written ("Parsing C Command-Line Arguments"); no Windows path holds one.
fn typed_on_windows(argument: &str) -> PathBuf {
    let meant = argument.trim_end_matches('"');
    let half: String = meant.trim().nfkc().collect();
    let mut letters = half.chars();
    match (letters.next(), letters.as_str()) {
        (Some(drive), "" | ":" | ":\\" | ":/" | ":\u{a5}") if drive.is_ascii_alphabetic() => {
            PathBuf::from(format!("{}:\\", drive.to_ascii_uppercase()))
        }
        _ => PathBuf::from(meant),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(argument: &str) -> String {
        typed_on_windows(argument)
            .into_os_string()
            .into_string()
            .unwrap()
    }

    #[test]
    fn every_way_to_type_a_drive_means_its_root() {
        for argument in [
            "E",
            "e",
            "E:",
            "e:",
            "E:\\",
            "E:/",
            "E:\"",
            "E\"",
            "E:\\\"",
            "ｅ：",
            "Ｅ",
            "ｅ：￥",
            "Ｅ：＼",
        ] {
            assert_eq!(meant(argument), "E:\\", "{argument}");
        }
    }

    #[test]
    fn a_folder_loses_only_the_quote_that_quoting_left() {
        assert_eq!(meant("E:\\My Stick\""), "E:\\My Stick");
        for path in [
            "E:\\PFXVAULT",
            "E:x",
            "\\\\server\\share\\",
            "stick",
            "",
            "é",
            "1",
        ] {
            assert_eq!(meant(path), path);
        }
    }
}
