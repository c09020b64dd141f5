//! The records of http.sys, by the HTTP Server API: read whole, written back whole.
//!
//! Microsoft: "HttpQueryServiceConfiguration", "HttpSetServiceConfiguration",
//! "HTTP_SERVICE_CONFIG_SSL_PARAM". Of the kinds of Windows Server 2019 and later (`…CertInfoEx`)
//! the two settings are read that netsh can make; they are told about, not written. The scoped
//! Central Certificate Store is not read.

use std::ffi::c_void;
use std::net::Ipv4Addr;
use std::ptr;
use std::slice;

use data_encoding::{HEXUPPER, HEXUPPER_PERMISSIVE};
use windows_sys::Win32::Foundation::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_FILE_NOT_FOUND, ERROR_INSUFFICIENT_BUFFER,
    ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS, ERROR_SUCCESS, HANDLE,
};
use windows_sys::Win32::Networking::HttpServer::{
    ExParamTypeHttp2SettingsLimits, ExParamTypeHttp2Window, HTTP_INITIALIZE_CONFIG,
    HTTP_SERVICE_CONFIG_ID, HTTP_SERVICE_CONFIG_SSL_CCS_KEY, HTTP_SERVICE_CONFIG_SSL_CCS_QUERY,
    HTTP_SERVICE_CONFIG_SSL_CCS_QUERY_EX, HTTP_SERVICE_CONFIG_SSL_CCS_SET,
    HTTP_SERVICE_CONFIG_SSL_CCS_SET_EX, HTTP_SERVICE_CONFIG_SSL_KEY, HTTP_SERVICE_CONFIG_SSL_PARAM,
    HTTP_SERVICE_CONFIG_SSL_PARAM_EX, HTTP_SERVICE_CONFIG_SSL_QUERY,
    HTTP_SERVICE_CONFIG_SSL_QUERY_EX, HTTP_SERVICE_CONFIG_SSL_SET, HTTP_SERVICE_CONFIG_SSL_SET_EX,
    HTTP_SERVICE_CONFIG_SSL_SNI_KEY, HTTP_SERVICE_CONFIG_SSL_SNI_QUERY,
    HTTP_SERVICE_CONFIG_SSL_SNI_QUERY_EX, HTTP_SERVICE_CONFIG_SSL_SNI_SET,
    HTTP_SERVICE_CONFIG_SSL_SNI_SET_EX, HTTPAPI_VERSION, HttpDeleteServiceConfiguration,
    HttpInitialize, HttpQueryServiceConfiguration, HttpServiceConfigQueryNext,
    HttpServiceConfigSSLCertInfo, HttpServiceConfigSslCcsCertInfo,
    HttpServiceConfigSslCcsCertInfoEx, HttpServiceConfigSslCertInfoEx,
    HttpServiceConfigSslSniCertInfo, HttpServiceConfigSslSniCertInfoEx,
    HttpSetServiceConfiguration, HttpTerminate,
};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::core::{GUID, PWSTR};

use super::address;
use super::answer::nonsense;
use super::memory::text_at;
use super::wide::wide;
use crate::iis::sites::SslProperty;
use crate::iis::{Code, Endpoint, SslBinding, WindowsError};

// What http.sys of 64-bit Windows takes.
const _: () = assert!(size_of::<HTTP_SERVICE_CONFIG_SSL_PARAM>() == 80);
const _: () = assert!(size_of::<HTTP_SERVICE_CONFIG_SSL_SET>() == 88);
const _: () = assert!(size_of::<HTTP_SERVICE_CONFIG_SSL_QUERY>() == 24);
const _: () = assert!(size_of::<HTTP_SERVICE_CONFIG_SSL_SNI_SET>() == 216);
const _: () = assert!(size_of::<HTTP_SERVICE_CONFIG_SSL_SNI_QUERY>() == 152);
const _: () = assert!(size_of::<HTTP_SERVICE_CONFIG_SSL_CCS_SET>() == 208);
const _: () = assert!(size_of::<HTTP_SERVICE_CONFIG_SSL_CCS_QUERY>() == 144);
const _: () = assert!(size_of::<HTTP_SERVICE_CONFIG_SSL_QUERY_EX>() == 144);
const _: () = assert!(size_of::<HTTP_SERVICE_CONFIG_SSL_SNI_QUERY_EX>() == 152);
const _: () = assert!(size_of::<HTTP_SERVICE_CONFIG_SSL_CCS_QUERY_EX>() == 144);

const QUERY: &str = "HttpQueryServiceConfiguration";
/// Records of one kind before this is no server any more.
const MOST_RECORDS: u32 = 100_000;
/// A record holds a few names; more is no answer.
const LARGEST_RECORD: u32 = 1 << 20;
/// Longest hash that `HTTP_SERVICE_CONFIG_SSL_PARAM` documents, in bytes.
const LONGEST_HASH: u32 = 64;

/// All records.
pub(super) fn records() -> Result<Vec<SslBinding>, WindowsError> {
    let session = HttpSession::start()?;
    let mut records = session.every(HttpServiceConfigSSLCertInfo, by_address, of_address)?;
    records.extend(session.every(HttpServiceConfigSslSniCertInfo, by_name, of_name)?);
    records.extend(session.every(HttpServiceConfigSslCcsCertInfo, central, of_central)?);
    Ok(records)
}

/// What records have beyond that.
pub(super) fn properties() -> Result<Vec<SslProperty>, WindowsError> {
    let session = HttpSession::start()?;
    let mut found = Vec::new();
    for kind in [ExParamTypeHttp2Window, ExParamTypeHttp2SettingsLimits] {
        let by_address = |token| HTTP_SERVICE_CONFIG_SSL_QUERY_EX {
            QueryDesc: HttpServiceConfigQueryNext,
            dwToken: token,
            ParamType: kind,
            ..Default::default()
        };
        let by_name = |token| HTTP_SERVICE_CONFIG_SSL_SNI_QUERY_EX {
            QueryDesc: HttpServiceConfigQueryNext,
            dwToken: token,
            ParamType: kind,
            ..Default::default()
        };
        let central = |token| HTTP_SERVICE_CONFIG_SSL_CCS_QUERY_EX {
            QueryDesc: HttpServiceConfigQueryNext,
            dwToken: token,
            ParamType: kind,
            ..Default::default()
        };
        found.extend(session.every(
            HttpServiceConfigSslCertInfoEx,
            by_address,
            property_of_address,
        )?);
        found.extend(session.every(
            HttpServiceConfigSslSniCertInfoEx,
            by_name,
            property_of_name,
        )?);
        found.extend(session.every(
            HttpServiceConfigSslCcsCertInfoEx,
            central,
            property_of_central,
        )?);
    }
    Ok(found.into_iter().flatten().collect())
}

/// Adds a record.
pub(super) fn add(record: &SslBinding) -> Result<(), WindowsError> {
    HttpSession::start()?.write(
        HttpSetServiceConfiguration,
        "HttpSetServiceConfiguration",
        record,
    )
}

/// Replaces a record at once where Windows can (Windows 10 1703, Server 2019), else by way of none;
/// what was there comes back if the new one is refused.
pub(super) fn replace(record: &SslBinding) -> Result<(), WindowsError> {
    let session = HttpSession::start()?;
    let update = |update| session.write(update, "HttpUpdateServiceConfiguration", record);
    match update_function().map(update) {
        None => replace_by_way_of_none(&session, record),
        Some(Err(error)) if error.code == Code(ERROR_CALL_NOT_IMPLEMENTED) => {
            replace_by_way_of_none(&session, record)
        }
        Some(updated) => updated,
    }
}

fn replace_by_way_of_none(session: &HttpSession, record: &SslBinding) -> Result<(), WindowsError> {
    let before = records()?
        .into_iter()
        .find(|other| other.endpoint == record.endpoint);
    let missing = || WindowsError::new(QUERY, &record.endpoint, Code::FILE_NOT_FOUND);
    let before = before.ok_or_else(missing)?;
    session.delete(&record.endpoint)?;
    add(record).inspect_err(|_| {
        // The first refusal is the one to report; the caller reads back what is there now.
        let _put_back = add(&before);
    })
}

/// Removes a record, and says whether there was one.
pub(super) fn remove(endpoint: &Endpoint) -> Result<bool, WindowsError> {
    match HttpSession::start()?.delete(endpoint) {
        Ok(()) => Ok(true),
        Err(error) if error.code == Code::FILE_NOT_FOUND => Ok(false),
        Err(error) => Err(error),
    }
}

/// `HttpSetServiceConfiguration` and its two siblings.
type Write = unsafe extern "system" fn(
    HANDLE,
    HTTP_SERVICE_CONFIG_ID,
    *const c_void,
    u32,
    *const OVERLAPPED,
) -> u32;

/// Not linked: a program that needs it would not start on Server 2016.
fn update_function() -> Option<Write> {
    let library = wide("httpapi.dll");
    // SAFETY: the name ends in NUL; the library is linked and so stays loaded.
    let library = unsafe { GetModuleHandleW(library.as_ptr()) };
    if library.is_null() {
        return None;
    }
    // SAFETY: the library is loaded; the name ends in NUL.
    let found =
        unsafe { GetProcAddress(library, c"HttpUpdateServiceConfiguration".as_ptr().cast()) }?;
    // SAFETY: the function of that name has this signature (http.h).
    Some(unsafe { std::mem::transmute::<unsafe extern "system" fn() -> isize, Write>(found) })
}

/// The configuration part of the API, in use until it is dropped.
struct HttpSession(());

impl Drop for HttpSession {
    fn drop(&mut self) {
        // SAFETY: initialised with the same flags. What cannot be ended ends with the process.
        unsafe { HttpTerminate(HTTP_INITIALIZE_CONFIG, ptr::null_mut()) };
    }
}

impl HttpSession {
    fn start() -> Result<Self, WindowsError> {
        let version = HTTPAPI_VERSION {
            HttpApiMajorVersion: 2,
            HttpApiMinorVersion: 0,
        };
        // SAFETY: takes plain values and nothing that is reserved.
        let code = unsafe { HttpInitialize(version, HTTP_INITIALIZE_CONFIG, ptr::null_mut()) };
        done(code, "HttpInitialize", "this machine").map(|()| Self(()))
    }

    /// Every answer of one kind, in the order in which Windows counts them.
    fn every<Query, Set, Found>(
        &self,
        kind: HTTP_SERVICE_CONFIG_ID,
        question: impl Fn(u32) -> Query,
        read: fn(&Set) -> Option<Found>,
    ) -> Result<Vec<Found>, WindowsError> {
        let mut found = Vec::new();
        for token in 0..MOST_RECORDS {
            let Some(answer) = self.query(kind, &question(token))? else {
                return Ok(found);
            };
            if size_of_val(answer.as_slice()) < size_of::<Set>() {
                return Err(nonsense(QUERY, kind));
            }
            // SAFETY: the aligned buffer holds the structure that this kind is answered with, and
            // what it points to.
            let set = unsafe { &*answer.as_ptr().cast::<Set>() };
            found.push(read(set).ok_or_else(|| nonsense(QUERY, kind))?);
        }
        Err(nonsense(QUERY, kind))
    }

    /// One answer, in a buffer that its pointers point into; `None` after the last one, and for a
    /// kind that this Windows does not know.
    fn query<Query>(
        &self,
        kind: HTTP_SERVICE_CONFIG_ID,
        question: &Query,
    ) -> Result<Option<Vec<u64>>, WindowsError> {
        let mut answer: Vec<u64> = Vec::new();
        loop {
            let mut size = size_of_val(answer.as_slice()) as u32;
            let start = if answer.is_empty() {
                ptr::null_mut()
            } else {
                answer.as_mut_ptr().cast::<c_void>()
            };
            let asked = ptr::from_ref(question).cast::<c_void>();
            let (asked_size, no_handle) = (size_of::<Query>() as u32, ptr::null_mut());
            // SAFETY: question and buffer are as large as said; neither handle nor overlapped
            // structure is used.
            let code = unsafe {
                HttpQueryServiceConfiguration(
                    no_handle,
                    kind,
                    asked,
                    asked_size,
                    start,
                    size,
                    &raw mut size,
                    ptr::null(),
                )
            };
            match code {
                ERROR_SUCCESS => return Ok(Some(answer)),
                ERROR_NO_MORE_ITEMS | ERROR_FILE_NOT_FOUND => return Ok(None),
                ERROR_INVALID_PARAMETER if kind != HttpServiceConfigSSLCertInfo => return Ok(None),
                ERROR_INSUFFICIENT_BUFFER | ERROR_MORE_DATA if is_growth(size, &answer) => {
                    answer = vec![0; (size as usize).div_ceil(size_of::<u64>())];
                }
                code => return Err(WindowsError::new(QUERY, kind, Code(code))),
            }
        }
    }

    fn write(
        &self,
        function: Write,
        call: &'static str,
        record: &SslBinding,
    ) -> Result<(), WindowsError> {
        let parts = SslParts::of(record).ok_or_else(|| nonsense(call, &record.endpoint))?;
        apply(function, call, &record.endpoint, parts.param())
    }

    fn delete(&self, endpoint: &Endpoint) -> Result<(), WindowsError> {
        let call = "HttpDeleteServiceConfiguration";
        apply(
            HttpDeleteServiceConfiguration,
            call,
            endpoint,
            HTTP_SERVICE_CONFIG_SSL_PARAM::default(),
        )
    }
}

fn is_growth(size: u32, answer: &[u64]) -> bool {
    size <= LARGEST_RECORD && size as usize > size_of_val(answer)
}

fn done(code: u32, call: &'static str, object: impl std::fmt::Display) -> Result<(), WindowsError> {
    if code == ERROR_SUCCESS {
        Ok(())
    } else {
        Err(WindowsError::new(call, object, Code(code)))
    }
}

/// Calls a function with the structure of the endpoint's kind.
fn apply(
    function: Write,
    call: &'static str,
    endpoint: &Endpoint,
    param: HTTP_SERVICE_CONFIG_SSL_PARAM,
) -> Result<(), WindowsError> {
    let code = match endpoint {
        Endpoint::Address { ip, port } => {
            let mut address = address::storage(*ip, *port);
            let key = HTTP_SERVICE_CONFIG_SSL_KEY {
                pIpPort: ptr::from_mut(&mut address).cast(),
            };
            let set = HTTP_SERVICE_CONFIG_SSL_SET {
                KeyDesc: key,
                ParamDesc: param,
            };
            give(function, HttpServiceConfigSSLCertInfo, &set)
        }
        Endpoint::Name { host, port } => {
            let mut host = wide(host);
            let key = HTTP_SERVICE_CONFIG_SSL_SNI_KEY {
                IpPort: everywhere(*port),
                Host: host.as_mut_ptr(),
            };
            let set = HTTP_SERVICE_CONFIG_SSL_SNI_SET {
                KeyDesc: key,
                ParamDesc: param,
            };
            give(function, HttpServiceConfigSslSniCertInfo, &set)
        }
        Endpoint::Central { port } => {
            let key = HTTP_SERVICE_CONFIG_SSL_CCS_KEY {
                LocalAddress: everywhere(*port),
            };
            let set = HTTP_SERVICE_CONFIG_SSL_CCS_SET {
                KeyDesc: key,
                ParamDesc: param,
            };
            give(function, HttpServiceConfigSslCcsCertInfo, &set)
        }
    };
    done(code, call, endpoint)
}

/// What a name and the Central Certificate Store are kept under must be the IPv4 wildcard.
fn everywhere(port: u16) -> windows_sys::Win32::Networking::WinSock::SOCKADDR_STORAGE {
    address::storage(Ipv4Addr::UNSPECIFIED.into(), port)
}

fn give<Set>(function: Write, kind: HTTP_SERVICE_CONFIG_ID, set: &Set) -> u32 {
    let size = size_of::<Set>() as u32;
    // SAFETY: the structure is the one of this kind and points to what outlives the call.
    unsafe {
        function(
            ptr::null_mut(),
            kind,
            ptr::from_ref(set).cast(),
            size,
            ptr::null(),
        )
    }
}

/// What `HTTP_SERVICE_CONFIG_SSL_PARAM` points to.
struct SslParts<'a> {
    record: &'a SslBinding,
    hash: Vec<u8>,
    app_id: GUID,
    store: Option<Vec<u16>>,
    ctl_identifier: Option<Vec<u16>>,
    ctl_store: Option<Vec<u16>>,
}

impl<'a> SslParts<'a> {
    /// `None` if the record holds what no record of http.sys can.
    fn of(record: &'a SslBinding) -> Option<Self> {
        let hash = HEXUPPER_PERMISSIVE
            .decode(record.thumbprint.as_deref().unwrap_or_default().as_bytes())
            .ok()?;
        Some(Self {
            record,
            hash,
            app_id: parse_guid(&record.app_id)?,
            store: record.store.as_ref().map(wide),
            ctl_identifier: record.ctl_identifier.as_ref().map(wide),
            ctl_store: record.ctl_store.as_ref().map(wide),
        })
    }

    /// Valid as long as the parts are; http.sys only reads through its pointers.
    fn param(&self) -> HTTP_SERVICE_CONFIG_SSL_PARAM {
        let text = |text: &Option<Vec<u16>>| {
            text.as_ref()
                .map_or(ptr::null_mut(), |text| text.as_ptr().cast_mut())
        };
        let no_hash = self.hash.is_empty();
        HTTP_SERVICE_CONFIG_SSL_PARAM {
            SslHashLength: self.hash.len() as u32,
            pSslHash: if no_hash {
                ptr::null_mut()
            } else {
                self.hash.as_ptr().cast_mut().cast()
            },
            AppId: self.app_id,
            pSslCertStoreName: text(&self.store),
            DefaultCertCheckMode: self.record.check_mode,
            DefaultRevocationFreshnessTime: self.record.freshness,
            DefaultRevocationUrlRetrievalTimeout: self.record.url_timeout,
            pDefaultSslCtlIdentifier: text(&self.ctl_identifier),
            pDefaultSslCtlStoreName: text(&self.ctl_store),
            DefaultFlags: self.record.flags,
        }
    }
}

fn by_address(token: u32) -> HTTP_SERVICE_CONFIG_SSL_QUERY {
    HTTP_SERVICE_CONFIG_SSL_QUERY {
        QueryDesc: HttpServiceConfigQueryNext,
        dwToken: token,
        ..HTTP_SERVICE_CONFIG_SSL_QUERY::default()
    }
}

fn by_name(token: u32) -> HTTP_SERVICE_CONFIG_SSL_SNI_QUERY {
    HTTP_SERVICE_CONFIG_SSL_SNI_QUERY {
        QueryDesc: HttpServiceConfigQueryNext,
        dwToken: token,
        ..HTTP_SERVICE_CONFIG_SSL_SNI_QUERY::default()
    }
}

fn central(token: u32) -> HTTP_SERVICE_CONFIG_SSL_CCS_QUERY {
    HTTP_SERVICE_CONFIG_SSL_CCS_QUERY {
        QueryDesc: HttpServiceConfigQueryNext,
        dwToken: token,
        ..HTTP_SERVICE_CONFIG_SSL_CCS_QUERY::default()
    }
}

fn of_address(set: &HTTP_SERVICE_CONFIG_SSL_SET) -> Option<SslBinding> {
    let (ip, port) = address::read(set.KeyDesc.pIpPort)?;
    record(Endpoint::Address { ip, port }, &set.ParamDesc)
}

fn of_name(set: &HTTP_SERVICE_CONFIG_SSL_SNI_SET) -> Option<SslBinding> {
    record(name(&set.KeyDesc)?, &set.ParamDesc)
}

fn name(key: &HTTP_SERVICE_CONFIG_SSL_SNI_KEY) -> Option<Endpoint> {
    let (_, port) = address::read(ptr::from_ref(&key.IpPort).cast())?;
    Some(Endpoint::Name {
        host: text_at(key.Host).into_string().ok()?,
        port,
    })
}

fn of_central(set: &HTTP_SERVICE_CONFIG_SSL_CCS_SET) -> Option<SslBinding> {
    let (_, port) = address::read(ptr::from_ref(&set.KeyDesc.LocalAddress).cast())?;
    record(Endpoint::Central { port }, &set.ParamDesc)
}

fn property_of_address(set: &HTTP_SERVICE_CONFIG_SSL_SET_EX) -> Option<Option<SslProperty>> {
    let (ip, port) = address::read(ptr::from_ref(&set.KeyDesc.IpPort).cast())?;
    Some(property(Endpoint::Address { ip, port }, &set.ParamDesc))
}

fn property_of_name(set: &HTTP_SERVICE_CONFIG_SSL_SNI_SET_EX) -> Option<Option<SslProperty>> {
    Some(property(
        name(&set.KeyDesc)?.in_lower_case(),
        &set.ParamDesc,
    ))
}

fn property_of_central(set: &HTTP_SERVICE_CONFIG_SSL_CCS_SET_EX) -> Option<Option<SslProperty>> {
    let (_, port) = address::read(ptr::from_ref(&set.KeyDesc.LocalAddress).cast())?;
    Some(property(Endpoint::Central { port }, &set.ParamDesc))
}

/// The property in an answer, if it is not what Windows begins with, which is what `netsh http show
/// sslcert` shows for every record.
fn property(endpoint: Endpoint, param: &HTTP_SERVICE_CONFIG_SSL_PARAM_EX) -> Option<SslProperty> {
    let value = if param.ParamType == ExParamTypeHttp2Window {
        // SAFETY: the part of the union that this type has; any bytes are a number.
        let bytes = unsafe { param.Anonymous.Http2WindowSizeParam }.Http2ReceiveWindowSize;
        (bytes != 1 << 20).then(|| format!("propertyid=0 receivewindow={bytes}"))
    } else {
        // SAFETY: the part of the union that the other type has; any bytes are numbers.
        let limits = unsafe { param.Anonymous.Http2SettingsLimitsParam };
        let (frame, minute) = (
            limits.Http2MaxSettingsPerFrame,
            limits.Http2MaxSettingsPerMinute,
        );
        let value =
            || format!("propertyid=1 maxsettingsperframe={frame} maxsettingsperminute={minute}");
        ((frame, minute) != (2_796_202, u32::MAX)).then(value)
    };
    value.map(|value| SslProperty { endpoint, value })
}

/// The record in an answer. A name that is no Unicode is no name.
fn record(endpoint: Endpoint, param: &HTTP_SERVICE_CONFIG_SSL_PARAM) -> Option<SslBinding> {
    Some(SslBinding {
        endpoint,
        thumbprint: thumbprint(param)?,
        store: optional(param.pSslCertStoreName)?,
        app_id: guid(&param.AppId),
        check_mode: param.DefaultCertCheckMode,
        freshness: param.DefaultRevocationFreshnessTime,
        url_timeout: param.DefaultRevocationUrlRetrievalTimeout,
        ctl_identifier: optional(param.pDefaultSslCtlIdentifier)?,
        ctl_store: optional(param.pDefaultSslCtlStoreName)?,
        flags: param.DefaultFlags,
    })
}

fn thumbprint(param: &HTTP_SERVICE_CONFIG_SSL_PARAM) -> Option<Option<String>> {
    if param.SslHashLength == 0 || param.pSslHash.is_null() {
        return Some(None);
    }
    if param.SslHashLength > LONGEST_HASH {
        return None;
    }
    // SAFETY: Windows says that so many bytes lie there, in the buffer of the answer.
    let hash =
        unsafe { slice::from_raw_parts(param.pSslHash.cast::<u8>(), param.SslHashLength as usize) };
    Some(Some(HEXUPPER.encode(hash)))
}

fn optional(text: PWSTR) -> Option<Option<String>> {
    if text.is_null() {
        Some(None)
    } else {
        text_at(text).into_string().ok().map(Some)
    }
}

/// Upper-case, in braces.
fn guid(id: &GUID) -> String {
    let tail = HEXUPPER.encode(&id.data4);
    format!(
        "{{{:08X}-{:04X}-{:04X}-{}-{}}}",
        id.data1,
        id.data2,
        id.data3,
        &tail[..4],
        &tail[4..]
    )
}

fn parse_guid(text: &str) -> Option<GUID> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let parts: Vec<&str> = inner.split('-').collect();
    let lengths_are_right = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]);
    let bytes = HEXUPPER_PERMISSIVE.decode(parts.concat().as_bytes()).ok()?;
    let bits = <[u8; 16]>::try_from(bytes).ok()?;
    lengths_are_right.then(|| GUID::from_u128(u128::from_be_bytes(bits)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iis::sites::IIS_APP_ID;

    #[test]
    fn an_app_id_comes_back_as_it_was() {
        let parsed = parse_guid(IIS_APP_ID).unwrap();
        assert_eq!((parsed.data1, parsed.data4[0]), (0x4DC3_E181, 0xB0));
        assert_eq!(guid(&parsed), IIS_APP_ID);
        assert_eq!(
            guid(&parse_guid(&IIS_APP_ID.to_lowercase()).unwrap()),
            IIS_APP_ID
        );
        for wrong in [
            "",
            "{}",
            &IIS_APP_ID[1..],
            "{4DC3E181E14B-4A21-B022-59FC669B0914}",
        ] {
            assert!(parse_guid(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_is_not_given_to_windows() {
        let endpoint = Endpoint::Central { port: 443 };
        let param = HTTP_SERVICE_CONFIG_SSL_PARAM::default();
        let good = SslBinding {
            app_id: IIS_APP_ID.into(),
            ..record(endpoint, &param).unwrap()
        };
        assert!(SslParts::of(&good).is_some());
        assert!(
            SslParts::of(&SslBinding {
                app_id: "IIS".into(),
                ..good.clone()
            })
            .is_none()
        );
        assert!(
            SslParts::of(&SslBinding {
                thumbprint: Some("XY".into()),
                ..good
            })
            .is_none()
        );
    }
}
