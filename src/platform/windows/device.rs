//! Asking a device (`DeviceIoControl`), and what one says of itself
//! (`IOCTL_STORAGE_QUERY_PROPERTY`).

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{
    IOCTL_STORAGE_QUERY_PROPERTY, PropertyStandardQuery, STORAGE_DEVICE_DESCRIPTOR,
    STORAGE_PROPERTY_QUERY, StorageDeviceProperty,
};

use super::call;

/// Room for `STORAGE_DEVICE_DESCRIPTOR` and the texts behind it.
const ANSWER: usize = 1024;
/// Longest text that a device says of itself.
const LONGEST: usize = 128;

/// `DeviceIoControl` with one structure in and one out; both are plain numbers.
pub(super) fn ask<In, Out>(
    device: &File,
    name: &str,
    code: u32,
    question: &In,
    answer: &mut Out,
) -> io::Result<()> {
    let mut filled = 0;
    // SAFETY: both structures outlive the call and are as large as said; the device fills plain
    // numbers in.
    let told = unsafe {
        DeviceIoControl(
            device.as_raw_handle(),
            code,
            ptr::from_ref(question).cast::<c_void>(),
            size_of::<In>() as u32,
            ptr::from_mut(answer).cast::<c_void>(),
            size_of::<Out>() as u32,
            &raw mut filled,
            ptr::null_mut(),
        )
    };
    call::succeeded(told, "DeviceIoControl", name)
}

/// `STORAGE_DEVICE_DESCRIPTOR` as the device fills it in: texts begin somewhere behind its last
/// field.
pub(super) struct DeviceAnswer([u8; ANSWER]);

/// Asks the device under a volume.
///
/// # Errors
/// What Windows says.
pub(super) fn answer_of(volume: &File) -> io::Result<DeviceAnswer> {
    let query = STORAGE_PROPERTY_QUERY {
        PropertyId: StorageDeviceProperty,
        QueryType: PropertyStandardQuery,
        AdditionalParameters: [0],
    };
    let mut answer = [0; ANSWER];
    ask(
        volume,
        "IOCTL_STORAGE_QUERY_PROPERTY",
        IOCTL_STORAGE_QUERY_PROPERTY,
        &query,
        &mut answer,
    )?;
    Ok(DeviceAnswer(answer))
}

impl DeviceAnswer {
    /// The bus, such as `BusTypeUsb`.
    pub(super) fn bus(&self) -> i32 {
        self.number(offset_of!(STORAGE_DEVICE_DESCRIPTOR, BusType))
            .cast_signed()
    }

    /// Whether its medium can be taken out.
    pub(super) fn has_removable_medium(&self) -> bool {
        self.0[offset_of!(STORAGE_DEVICE_DESCRIPTOR, RemovableMedia)] != 0
    }

    /// Maker and model.
    pub(super) fn model(&self) -> Option<String> {
        let maker = self.text(offset_of!(STORAGE_DEVICE_DESCRIPTOR, VendorIdOffset));
        let model = self.text(offset_of!(STORAGE_DEVICE_DESCRIPTOR, ProductIdOffset));
        let both: Vec<String> = maker.into_iter().chain(model).collect();
        (!both.is_empty()).then(|| both.join(" "))
    }

    /// Serial number.
    pub(super) fn serial(&self) -> Option<String> {
        self.text(offset_of!(STORAGE_DEVICE_DESCRIPTOR, SerialNumberOffset))
    }

    fn number(&self, at: usize) -> u32 {
        let bytes: [u8; 4] = self.0[at..at + 4].try_into().unwrap_or_default();
        u32::from_le_bytes(bytes)
    }

    /// The text whose place a field gives; 0 and -1 are for none. A device may say anything.
    fn text(&self, field: usize) -> Option<String> {
        let start = usize::try_from(self.number(field))
            .ok()
            .filter(|start| *start > 0)?;
        let bytes = self.0.get(start..)?.split(|byte| *byte == 0).next()?;
        let text = String::from_utf8_lossy(bytes);
        let text: String = text
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(LONGEST)
            .collect();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer with these texts, each with the field that gives its place.
    fn answer(texts: &[(usize, &[u8])]) -> DeviceAnswer {
        let mut answer = [0; ANSWER];
        let mut at = 36;
        for (field, text) in texts {
            answer[*field..*field + 4].copy_from_slice(&(at as u32).to_le_bytes());
            answer[at..at + text.len()].copy_from_slice(text);
            at += text.len() + 1;
        }
        answer[10] = 1;
        answer[28] = 7;
        DeviceAnswer(answer)
    }

    #[test]
    fn a_device_is_read_by_the_layout_of_windows() {
        let told = answer(&[
            (12, b"SanDisk "),
            (16, b"Ultra\x07           "),
            (24, b"4C530001"),
        ]);
        assert_eq!(told.model().as_deref(), Some("SanDisk Ultra"));
        assert_eq!(told.serial().as_deref(), Some("4C530001"));
        assert!(told.has_removable_medium() && told.bus() == 7);
    }

    #[test]
    fn a_text_that_is_not_there_or_lies_outside_is_none() {
        let mut told = answer(&[(16, b" ")]);
        assert_eq!((told.model(), told.serial()), (None, None));
        for place in [0, u32::MAX, ANSWER as u32, ANSWER as u32 - 1] {
            told.0[24..28].copy_from_slice(&place.to_le_bytes());
            assert_eq!(told.serial(), None, "{place}");
        }
    }
}
