//! The Windows event log: a program that reads private keys must be visible there.
//!
//! Source `pfxvault` of the log "Application". The texts are shown through the message file of
//! Windows' own `eventcreate`, whose every message is "%1"; without it the viewer adds a complaint
//! of its own around them.

use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE, REPORT_EVENT_TYPE,
    RegisterEventSourceW, ReportEventW,
};

use super::wide::wide;
use super::{call, process, registry};
use crate::platform::event::Event;

const SOURCE: &str = "pfxvault";
const SOURCE_KEY: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application\pfxvault";
/// Its messages are numbered 1 to 1000.
const MESSAGE_FILE: &str = r"%SystemRoot%\System32\EventCreate.exe";

/// Writes one event under the account of this process; `text` names the thumbprint. The first event
/// of an elevated process registers the source.
///
/// # Errors
/// What Windows says. It never is a reason to fail what the event is about, but it is said.
pub fn report(event: Event, text: &str) -> io::Result<()> {
    register_source();
    let source = EventSource::open()?;
    let text = wide(text);
    let strings = [text.as_ptr()];
    let account = process::Account::of_this_process()?;
    let (severity, id) = (severity(event), event as u32);
    // SAFETY: the source is open; the SID lies in `account`; one string is given and ends in NUL;
    // there is no raw data.
    let written = unsafe {
        ReportEventW(
            source.0,
            severity,
            0,
            id,
            account.sid(),
            1,
            0,
            strings.as_ptr(),
            ptr::null(),
        )
    };
    call::succeeded(written, "ReportEventW", SOURCE)
}

fn severity(event: Event) -> REPORT_EVENT_TYPE {
    match event {
        Event::KeyExported | Event::KeyImported => EVENTLOG_INFORMATION_TYPE,
        _ => EVENTLOG_WARNING_TYPE,
    }
}

/// Without it the events are written all the same, only shown less well: nothing that fails here
/// matters.
fn register_source() {
    if registry::text(SOURCE_KEY, "EventMessageFile").is_ok()
        || !process::is_elevated().unwrap_or(false)
    {
        return;
    }
    let all_types = 7;
    let _shown_plainly = registry::set_path(SOURCE_KEY, "EventMessageFile", MESSAGE_FILE)
        .and_then(|()| registry::set_number(SOURCE_KEY, "TypesSupported", all_types));
}

/// An open event source, closed on drop.
struct EventSource(HANDLE);

impl EventSource {
    fn open() -> io::Result<Self> {
        let name = wide(SOURCE);
        // SAFETY: no server name is this machine; the source's name ends in NUL.
        let handle = unsafe { RegisterEventSourceW(ptr::null(), name.as_ptr()) };
        if handle.is_null() {
            return Err(call::last_error("RegisterEventSourceW", SOURCE));
        }
        Ok(Self(handle))
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        // SAFETY: opened by `open` and closed only here. What cannot be closed ends with the
        // process.
        unsafe { DeregisterEventSource(self.0) };
    }
}
