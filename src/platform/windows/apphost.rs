//! The bindings of IIS, changed through its own writer: the AppHost interfaces, declared by hand.
//!
//! Microsoft: \[MC-IISA\] and ahadmin.h. The writer checks the schema, follows a redirected
//! configuration and keeps what it does not know; the file is never edited as text.

use std::ffi::c_void;
use std::path::PathBuf;
use std::process::Command;
use std::ptr;

use windows_sys::Win32::Foundation::{SysAllocString, SysFreeString};
use windows_sys::Win32::System::Com::{
    CLSCTX_INPROC_SERVER, COINIT_MULTITHREADED, CoCreateInstance, CoInitializeEx, CoUninitialize,
};
use windows_sys::Win32::System::Variant::{
    VARIANT, VARIANT_0, VARIANT_0_0, VARIANT_0_0_0, VT_BSTR, VT_I4, VT_UI4,
};
use windows_sys::core::{BSTR, GUID, HRESULT, IUnknown_Vtbl};

use super::answer::nonsense;
use super::folders;
use super::memory::text_at;
use super::wide::wide;
use crate::iis::{Binding, BindingChange, BindingEdit, Code, Site, WindowsError};

const WRITABLE_ADMIN_MANAGER: GUID = GUID::from_u128(0x2B72133B_3F5B_4602_8952_803546CE3344);
const I_WRITABLE_ADMIN_MANAGER: GUID = GUID::from_u128(0xFA7660F6_7B3F_4237_A8BF_ED0AD0DCBBD9);
const COMMIT_PATH: &str = "MACHINE/WEBROOT/APPHOST";
const SITES: &str = "system.applicationHost/sites";
const _: () = assert!(size_of::<VARIANT>() == 24);

/// `%windir%\System32\inetsrv\config`, where it is.
pub(super) fn folder() -> Option<PathBuf> {
    let folder = folders::windows().ok()?.join(r"System32\inetsrv\config");
    folder.is_dir().then_some(folder)
}

/// `appcmd add backup NAME`.
pub(super) fn back_up(name: &str) -> Result<(), WindowsError> {
    let refused = |code| WindowsError::new("appcmd add backup", name, Code(code));
    let windows = folders::windows().map_err(|_| refused(Code::FILE_NOT_FOUND.0))?;
    let ran = Command::new(windows.join(r"System32\inetsrv\appcmd.exe"))
        .args(["add", "backup", name])
        .output();
    let ran =
        ran.map_err(|error| refused(error.raw_os_error().unwrap_or_default().cast_unsigned()))?;
    if ran.status.success() {
        Ok(())
    } else {
        Err(refused(ran.status.code().unwrap_or(-1).cast_unsigned()))
    }
}

/// Makes all changes, in one commit.
pub(super) fn apply(changes: &[BindingChange]) -> Result<(), WindowsError> {
    in_one_commit(|sites| changes.iter().try_for_each(|change| make(sites, change)))
}

/// Adds a site, in the order of Microsoft's samples: each element is filled before it is added.
pub(super) fn add_site(site: &Site) -> Result<(), WindowsError> {
    in_one_commit(|sites| {
        let element = sites.new_element("site")?;
        element.set("name", &site.name)?;
        element.set_number("id", site.id)?;
        let bindings = element.child("bindings")?.collection()?;
        for binding in &site.bindings {
            add(&bindings, binding)?;
        }
        let applications = element.collection()?;
        let application = applications.new_element("application")?;
        application.set("path", "/")?;
        if let Some(folder) = site.folders.first() {
            let folders = application.collection()?;
            let root = folders.new_element("virtualDirectory")?;
            root.set("path", "/")?;
            root.set("physicalPath", folder)?;
            folders.append(&root)?;
        }
        applications.append(&application)?;
        sites.append(&element)
    })
}

/// Removes a site, and says whether it was there.
pub(super) fn remove_site(name: &str) -> Result<bool, WindowsError> {
    let mut removed = false;
    in_one_commit(|sites| {
        let is_meant = |site: &ComObject<AppHostElement>| Ok(site.text("name")? == name);
        match sites.find(name, is_meant) {
            Ok((index, _)) => {
                removed = true;
                sites.delete(index)
            }
            Err(error) if error.code == Code::FILE_NOT_FOUND => Ok(()),
            Err(error) => Err(error),
        }
    })?;
    Ok(removed)
}

/// Changes the collection of the sites, and commits.
fn in_one_commit(
    change: impl FnOnce(&ComObject<Collection>) -> Result<(), WindowsError>,
) -> Result<(), WindowsError> {
    let _apartment = Apartment::enter()?;
    let manager = ComObject::<Manager>::create(&WRITABLE_ADMIN_MANAGER, &I_WRITABLE_ADMIN_MANAGER)?;
    let (path, section) = (Bstr::new(COMMIT_PATH)?, Bstr::new(SITES)?);
    // SAFETY: the object is alive; the string outlives the call.
    let put = unsafe { (manager.table().put_commit_path)(manager.0.cast(), path.0) };
    succeeded(put, "put_CommitPath", COMMIT_PATH)?;
    let sites: ComObject<AppHostElement> = ComObject::got("GetAdminSection", SITES, |out| {
        // SAFETY: the object is alive; the strings outlive the call; `out` takes an object.
        unsafe { (manager.table().get_admin_section)(manager.0.cast(), section.0, path.0, out) }
    })?;
    change(&sites.collection()?)?;
    // SAFETY: the object is alive.
    let committed = unsafe { (manager.table().commit_changes)(manager.0.cast()) };
    succeeded(committed, "CommitChanges", COMMIT_PATH)
}

fn make(sites: &ComObject<Collection>, change: &BindingChange) -> Result<(), WindowsError> {
    let is_meant = |site: &ComObject<AppHostElement>| Ok(site.text("name")? == change.site);
    let (_, site) = sites.find(&change.site, is_meant)?;
    match &change.change {
        BindingEdit::Add(binding) => add(&site.child("bindings")?.collection()?, binding),
        BindingEdit::Remove(binding) => {
            let bindings = site.child("bindings")?.collection()?;
            let (index, _) = find_binding(&bindings, binding)?;
            bindings.delete(index)
        }
        BindingEdit::Flags { binding, ssl_flags } => {
            let bindings = site.child("bindings")?.collection()?;
            let (_, element) = find_binding(&bindings, binding)?;
            element.set_number("sslFlags", *ssl_flags)
        }
        BindingEdit::Ftp { thumbprint, store } => {
            let ssl = site.child("ftpServer")?.child("security")?.child("ssl")?;
            ssl.set("serverCertHash", thumbprint)?;
            ssl.set("serverCertStoreName", store)
        }
    }
}

fn add(bindings: &ComObject<Collection>, binding: &Binding) -> Result<(), WindowsError> {
    let element = bindings.new_element("binding")?;
    element.set("protocol", &binding.protocol)?;
    element.set("bindingInformation", &binding.information)?;
    // IIS 7 has no such attribute.
    if binding.ssl_flags != 0 {
        element.set_number("sslFlags", binding.ssl_flags)?;
    }
    bindings.append(&element)
}

fn find_binding(
    bindings: &ComObject<Collection>,
    wanted: &Binding,
) -> Result<(i32, ComObject<AppHostElement>), WindowsError> {
    bindings.find(&wanted.information, |binding| {
        Ok(binding
            .text("protocol")?
            .eq_ignore_ascii_case(&wanted.protocol)
            && binding.text("bindingInformation")? == wanted.information)
    })
}

type This = *mut c_void;
type Out = *mut *mut c_void;

/// `IAppHostWritableAdminManager`. Slots that are not called are counted only.
#[repr(C)]
struct Manager {
    unknown: IUnknown_Vtbl,
    get_admin_section: unsafe extern "system" fn(This, BSTR, BSTR, Out) -> HRESULT,
    get_metadata_to_get_config_manager: [usize; 3],
    commit_changes: unsafe extern "system" fn(This) -> HRESULT,
    get_commit_path: usize,
    put_commit_path: unsafe extern "system" fn(This, BSTR) -> HRESULT,
}

/// `IAppHostElement`.
#[repr(C)]
struct AppHostElement {
    unknown: IUnknown_Vtbl,
    get_name: usize,
    get_collection: unsafe extern "system" fn(This, Out) -> HRESULT,
    get_properties_to_get_schema: [usize; 5],
    get_element_by_name: unsafe extern "system" fn(This, BSTR, Out) -> HRESULT,
    get_property_by_name: unsafe extern "system" fn(This, BSTR, Out) -> HRESULT,
}

/// `IAppHostElementCollection`.
#[repr(C)]
struct Collection {
    unknown: IUnknown_Vtbl,
    get_count: unsafe extern "system" fn(This, *mut u32) -> HRESULT,
    get_item: unsafe extern "system" fn(This, VARIANT, Out) -> HRESULT,
    add_element: unsafe extern "system" fn(This, This, i32) -> HRESULT,
    delete_element: unsafe extern "system" fn(This, VARIANT) -> HRESULT,
    clear: usize,
    create_new_element: unsafe extern "system" fn(This, BSTR, Out) -> HRESULT,
}

/// `IAppHostProperty`.
#[repr(C)]
struct AppHostProperty {
    unknown: IUnknown_Vtbl,
    get_name_and_value: [usize; 2],
    put_value: unsafe extern "system" fn(This, VARIANT) -> HRESULT,
    clear: unsafe extern "system" fn(This) -> HRESULT,
    get_string_value: unsafe extern "system" fn(This, *mut BSTR) -> HRESULT,
}

/// A reference to a COM object whose methods are listed in `Table`; let go of on drop.
struct ComObject<Table>(*mut *const Table);

impl<Table> Drop for ComObject<Table> {
    fn drop(&mut self) {
        // SAFETY: every COM object begins with a pointer to a table.
        let table = unsafe { *self.0.cast::<*const IUnknown_Vtbl>() };
        // SAFETY: every such table begins with these three methods, and is constant.
        let unknown = unsafe { &*table };
        // SAFETY: this reference is let go of only here. The count that is returned says nothing.
        unsafe { (unknown.Release)(self.0.cast()) };
    }
}

impl<Table> ComObject<Table> {
    /// The object that a call gives, as the interface that the call is documented to give.
    fn got(
        call: &'static str,
        object: impl std::fmt::Display,
        get: impl FnOnce(Out) -> HRESULT,
    ) -> Result<Self, WindowsError> {
        let mut raw = ptr::null_mut();
        let code = get(&raw mut raw);
        succeeded(code, call, &object)?;
        if raw.is_null() {
            Err(nonsense(call, object))
        } else {
            Ok(Self(raw.cast()))
        }
    }

    fn create(class: &GUID, interface: &GUID) -> Result<Self, WindowsError> {
        Self::got(
            "CoCreateInstance",
            "Microsoft.ApplicationHost.WritableAdminManager",
            |out| {
                // SAFETY: the ids are constants; `out` takes an object.
                unsafe {
                    CoCreateInstance(class, ptr::null_mut(), CLSCTX_INPROC_SERVER, interface, out)
                }
            },
        )
    }

    fn table(&self) -> &Table {
        // SAFETY: the object is alive as long as this reference.
        let table = unsafe { *self.0 };
        // SAFETY: its table is constant.
        unsafe { &*table }
    }
}

impl ComObject<AppHostElement> {
    fn collection(&self) -> Result<ComObject<Collection>, WindowsError> {
        // SAFETY: the object is alive; `out` takes an object.
        ComObject::got("get_Collection", SITES, |out| unsafe {
            (self.table().get_collection)(self.0.cast(), out)
        })
    }

    fn child(&self, name: &str) -> Result<Self, WindowsError> {
        let wanted = Bstr::new(name)?;
        // SAFETY: the object is alive; the string outlives the call; `out` takes an object.
        let get = |out| unsafe { (self.table().get_element_by_name)(self.0.cast(), wanted.0, out) };
        Self::got("GetElementByName", name, get)
    }

    fn property(&self, name: &str) -> Result<ComObject<AppHostProperty>, WindowsError> {
        let wanted = Bstr::new(name)?;
        // SAFETY: the object is alive; the string outlives the call; `out` takes an object.
        let get =
            |out| unsafe { (self.table().get_property_by_name)(self.0.cast(), wanted.0, out) };
        ComObject::got("GetPropertyByName", name, get)
    }

    fn text(&self, name: &str) -> Result<String, WindowsError> {
        let property = self.property(name)?;
        let mut value = Bstr(ptr::null());
        // SAFETY: the object is alive; `value` takes a string that it frees.
        let code =
            unsafe { (property.table().get_string_value)(property.0.cast(), &raw mut value.0) };
        succeeded(code, "get_StringValue", name)?;
        text_at(value.0)
            .into_string()
            .map_err(|_| nonsense("get_StringValue", name))
    }

    /// Sets a property by its text; an empty text takes it away.
    fn set(&self, name: &str, value: &str) -> Result<(), WindowsError> {
        let property = self.property(name)?;
        if value.is_empty() {
            // SAFETY: the object is alive.
            let code = unsafe { (property.table().clear)(property.0.cast()) };
            return succeeded(code, "Clear", name);
        }
        let value = Bstr::new(value)?;
        let text = variant(VT_BSTR, VARIANT_0_0_0 { bstrVal: value.0 });
        property.put(name, text)
    }

    /// Sets a property of the type `uint`: \[MS-IISA\] has no rule that turns text into a number.
    fn set_number(&self, name: &str, value: u32) -> Result<(), WindowsError> {
        let value = variant(VT_UI4, VARIANT_0_0_0 { ulVal: value });
        self.property(name)?.put(name, value)
    }
}

impl ComObject<AppHostProperty> {
    /// What a string points to has to outlive the call, in which it is copied.
    fn put(&self, name: &str, value: VARIANT) -> Result<(), WindowsError> {
        // SAFETY: the object is alive; the value is complete and copied.
        let code = unsafe { (self.table().put_value)(self.0.cast(), value) };
        succeeded(code, "put_Value", name)
    }
}

impl ComObject<Collection> {
    /// The first element that is meant, and its index.
    fn find(
        &self,
        name: &str,
        is_meant: impl Fn(&ComObject<AppHostElement>) -> Result<bool, WindowsError>,
    ) -> Result<(i32, ComObject<AppHostElement>), WindowsError> {
        let mut count = 0;
        // SAFETY: the object is alive; `count` takes a number.
        let code = unsafe { (self.table().get_count)(self.0.cast(), &raw mut count) };
        succeeded(code, "get_Count", name)?;
        for index in 0..count.cast_signed() {
            let get = |out| {
                // SAFETY: the object is alive; `out` takes an object.
                unsafe { (self.table().get_item)(self.0.cast(), number(index), out) }
            };
            let element = ComObject::got("get_Item", name, get)?;
            if is_meant(&element)? {
                return Ok((index, element));
            }
        }
        Err(WindowsError::new("get_Item", name, Code::FILE_NOT_FOUND))
    }

    fn new_element(&self, name: &str) -> Result<ComObject<AppHostElement>, WindowsError> {
        let wanted = Bstr::new(name)?;
        // SAFETY: the object is alive; the string outlives the call; `out` takes an object.
        let get = |out| unsafe { (self.table().create_new_element)(self.0.cast(), wanted.0, out) };
        ComObject::got("CreateNewElement", name, get)
    }

    fn append(&self, element: &ComObject<AppHostElement>) -> Result<(), WindowsError> {
        // SAFETY: both objects are alive; the collection keeps a reference of its own.
        let code = unsafe { (self.table().add_element)(self.0.cast(), element.0.cast(), -1) };
        succeeded(code, "AddElement", SITES)
    }

    fn delete(&self, index: i32) -> Result<(), WindowsError> {
        // SAFETY: the object is alive.
        let code = unsafe { (self.table().delete_element)(self.0.cast(), number(index)) };
        succeeded(code, "DeleteElement", SITES)
    }
}

fn number(value: i32) -> VARIANT {
    variant(VT_I4, VARIANT_0_0_0 { lVal: value })
}

fn variant(vt: u16, value: VARIANT_0_0_0) -> VARIANT {
    let inner = VARIANT_0_0 {
        vt,
        wReserved1: 0,
        wReserved2: 0,
        wReserved3: 0,
        Anonymous: value,
    };
    VARIANT {
        Anonymous: VARIANT_0 { Anonymous: inner },
    }
}

/// A string of OLE Automation, freed on drop.
struct Bstr(BSTR);

impl Bstr {
    fn new(text: &str) -> Result<Self, WindowsError> {
        let units = wide(text);
        // SAFETY: the text ends in NUL.
        let copy = unsafe { SysAllocString(units.as_ptr()) };
        if copy.is_null() {
            Err(nonsense("SysAllocString", text))
        } else {
            Ok(Self(copy))
        }
    }
}

impl Drop for Bstr {
    fn drop(&mut self) {
        // SAFETY: the string is its own or null, and freed only here. Nothing is returned.
        unsafe { SysFreeString(self.0) };
    }
}

/// COM on this thread, left on drop.
struct Apartment(());

impl Apartment {
    fn enter() -> Result<Self, WindowsError> {
        // SAFETY: nothing but the kind of apartment is given.
        let code = unsafe { CoInitializeEx(ptr::null(), COINIT_MULTITHREADED.cast_unsigned()) };
        succeeded(code, "CoInitializeEx", "this thread").map(|()| Self(()))
    }
}

impl Drop for Apartment {
    fn drop(&mut self) {
        // SAFETY: entered on this thread; every object made in it is gone before.
        unsafe { CoUninitialize() };
    }
}

/// An `HRESULT` is a success unless it is negative.
fn succeeded(
    code: HRESULT,
    call: &'static str,
    object: impl std::fmt::Display,
) -> Result<(), WindowsError> {
    if code >= 0 {
        Ok(())
    } else {
        Err(WindowsError::new(call, object, Code(code.cast_unsigned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wine has no IIS, as many servers have none.
    #[test]
    fn without_iis_a_change_is_refused_by_name() {
        if folder().is_some() {
            return;
        }
        let error = apply(&[]).unwrap_err();
        assert_eq!(
            (error.call, error.code),
            ("CoCreateInstance", Code(0x8004_0154))
        );
        assert_eq!(back_up("x").unwrap_err().call, "appcmd add backup");
    }

    #[test]
    fn methods_stand_in_the_slots_of_their_interfaces() {
        let slot = |offset| offset / size_of::<usize>();
        assert_eq!(slot(std::mem::offset_of!(Manager, put_commit_path)), 9);
        assert_eq!(
            slot(std::mem::offset_of!(AppHostElement, get_property_by_name)),
            11
        );
        assert_eq!(
            slot(std::mem::offset_of!(Collection, create_new_element)),
            8
        );
        assert_eq!(
            slot(std::mem::offset_of!(AppHostProperty, get_string_value)),
            7
        );
    }
}
