//! What a certificate is bound to: the sites of IIS with their bindings, and the records of
//! http.sys, which alone know the certificates. Plain values; the two traits are the seam to
//! Windows.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::WindowsError;
use super::others::{AD_FS, IIS_MANAGEMENT, OtherUse, REPORTING_SERVICES, SSTP, WIN_RM};
use super::renewers::InstalledRenewer;

/// The `AppId` under which IIS keeps its records. Others belong to other programs (WinRM, AD FS, RD
/// Gateway).
pub const IIS_APP_ID: &str = "{4DC3E181-E14B-4A21-B022-59FC669B0914}";

/// Programs that keep records of their own, by their `AppId`. That of the management service is from
/// iis-docs ("Troubleshooting Web Management Service"), those of SSTP and Reporting Services from
/// public scripts that renew their certificates.
const OWNERS: [(&str, &str); 7] = [
    (IIS_APP_ID, "IIS"),
    ("{AFEBB9AD-9B97-4A91-9AB5-DAF4D59122F6}", WIN_RM),
    ("{5D89A20C-BEAB-4389-9447-324788EB944A}", AD_FS),
    ("{D7D72267-FCF9-4424-9EEC-7E1D8DCEC9A9}", IIS_MANAGEMENT),
    ("{BA195980-CD49-458B-9E23-C84EE0ADCD75}", SSTP),
    ("{1D40EBC7-1983-4AC5-82AA-1E17A7AE9A0E}", REPORTING_SERVICES),
    ("{214124CD-D05B-4309-9AF9-9CAA44B2B74A}", "IIS Express"),
];

/// The store that is meant where a record names none.
const MY: &str = "MY";

/// One record of http.sys, kept verbatim: every field that `HTTP_SERVICE_CONFIG_SSL_PARAM` has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SslBinding {
    /// What it answers for.
    pub endpoint: Endpoint,
    /// SHA-1 of the certificate, 40 upper-case hexadecimal digits; `None` for a Central Certificate
    /// Store record.
    pub thumbprint: Option<String>,
    /// The store of the certificate; `None` means `MY`.
    pub store: Option<String>,
    /// Who made it: a GUID in braces, upper-case.
    pub app_id: String,
    /// `DefaultCertCheckMode`.
    #[serde(default)]
    pub check_mode: u32,
    /// `DefaultRevocationFreshnessTime`, seconds.
    #[serde(default)]
    pub freshness: u32,
    /// `DefaultRevocationUrlRetrievalTimeout`, milliseconds.
    #[serde(default)]
    pub url_timeout: u32,
    /// `pDefaultSslCtlIdentifier`.
    #[serde(default)]
    pub ctl_identifier: Option<String>,
    /// `pDefaultSslCtlStoreName`.
    #[serde(default)]
    pub ctl_store: Option<String>,
    /// `DefaultFlags`, `HTTP_SERVICE_CONFIG_SSL_FLAG_*`.
    #[serde(default)]
    pub flags: u32,
}

impl SslBinding {
    /// A record of IIS with nothing special about it; the certificate is in `MY`.
    pub fn new(endpoint: Endpoint, thumbprint: String) -> Self {
        Self {
            endpoint,
            thumbprint: Some(thumbprint),
            store: None,
            app_id: IIS_APP_ID.to_owned(),
            check_mode: 0,
            freshness: 0,
            url_timeout: 0,
            ctl_identifier: None,
            ctl_store: None,
            flags: 0,
        }
    }

    /// Who made it, where its `AppId` is a known one.
    pub fn owner(&self) -> &str {
        let known = OWNERS.iter();
        let mut known = known.filter(|(id, _)| self.app_id.eq_ignore_ascii_case(id));
        known.next().map_or(&self.app_id, |(_, name)| name)
    }

    /// Whether IIS made it.
    pub fn is_of_iis(&self) -> bool {
        self.app_id.eq_ignore_ascii_case(IIS_APP_ID)
    }

    /// As it is written: a record with a certificate names its store, which netsh demands for host
    /// names.
    pub fn with_store(&self) -> Self {
        let mut record = self.clone();
        if record.thumbprint.is_some() && record.store.is_none() {
            record.store = Some(MY.to_owned());
        }
        record
    }

    /// Whether both do the same: Windows may spell the store and the GUID in another way than they
    /// were given to it, and say nothing by an empty name.
    pub fn is_same(&self, other: &Self) -> bool {
        let named = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
        let spelled = |record: &Self| Self {
            endpoint: record.endpoint.in_lower_case(),
            store: Some(record.store_spelled()),
            app_id: record.app_id.to_uppercase(),
            ctl_identifier: named(&record.ctl_identifier),
            ctl_store: named(&record.ctl_store),
            ..record.clone()
        };
        spelled(self) == spelled(other)
    }

    /// Whether both serve the same certificate for the same owner, whatever else is set.
    pub fn serves_like(&self, other: &Self) -> bool {
        let spelled = |record: &Self| {
            (
                record.endpoint.in_lower_case(),
                record.thumbprint.clone(),
                record.store_spelled(),
                record.app_id.to_uppercase(),
            )
        };
        spelled(self) == spelled(other)
    }

    fn store_spelled(&self) -> String {
        let store = self.store.as_deref().filter(|store| !store.is_empty());
        store.unwrap_or(MY).to_uppercase()
    }
}

/// What a record of http.sys answers for. http.sys looks for an exact name first, then for the
/// address, then for the Central Certificate Store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// `HttpServiceConfigSSLCertInfo`: every name asked for at this address; `0.0.0.0` and `::`
    /// mean all of them.
    Address {
        /// The address.
        ip: IpAddr,
        /// The port.
        port: u16,
    },
    /// `HttpServiceConfigSslSniCertInfo`: one host name (SNI), at every address.
    Name {
        /// The host name, `*.example.com` from Windows Server 2016.
        host: String,
        /// The port.
        port: u16,
    },
    /// `HttpServiceConfigSslCcsCertInfo`: the Central Certificate Store answers at this port.
    Central {
        /// The port.
        port: u16,
    },
}

impl Endpoint {
    /// The same with its host name in lower case, as bindings and records may spell it in different
    /// ways.
    pub fn in_lower_case(&self) -> Self {
        match self {
            Self::Name { host, port } => Self::Name {
                host: host.to_lowercase(),
                port: *port,
            },
            other => other.clone(),
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        let (Self::Address { port, .. } | Self::Name { port, .. } | Self::Central { port }) = self;
        *port
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address {
                ip: IpAddr::V6(ip),
                port,
            } => write!(f, "[{ip}]:{port}"),
            Self::Address { ip, port } => write!(f, "{ip}:{port}"),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Central { port } => write!(f, "*:{port}"),
        }
    }
}

/// One binding of a site, as applicationHost.config has it. Protocol and information together are
/// its key there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// `https`, `http`, `ftp`, `net.tcp`; compared without case.
    pub protocol: String,
    /// `bindingInformation`: for https `address:port:host`.
    pub information: String,
    /// `sslFlags`, 0 where the file has none.
    #[serde(default)]
    pub ssl_flags: u32,
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.information)
    }
}

/// One site, as applicationHost.config has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its number, which another server gives to another site.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its bindings, those it inherits included.
    pub bindings: Vec<Binding>,
    /// Where its files lie, as written there: `%SystemDrive%\inetpub\wwwroot`.
    #[serde(default)]
    pub folders: Vec<String>,
    /// The certificate of its FTP bindings, where it has one of its own.
    #[serde(default)]
    pub ftp: Option<FtpCertificate>,
}

/// The certificate of FTP, which applicationHost.config names itself: no record of http.sys does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FtpCertificate {
    /// `serverCertHash`: SHA-1 of the certificate, upper-case.
    pub thumbprint: String,
    /// `serverCertStoreName`, `MY` where none is named.
    pub store: String,
}

/// Settings of a server that a backup tells about and a restore does not make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The Central Certificate Store, if it is enabled. Its passwords stay where they are.
    #[serde(default)]
    pub central_store: Option<CentralStore>,
    /// Whether Windows binds a renewed certificate by itself ("Enable Automatic Rebind of Renewed
    /// Certificate"); `None` where that is not known.
    #[serde(default)]
    pub automatic_rebind: Option<bool>,
    /// What records of http.sys have that is no part of [`SslBinding`].
    #[serde(default)]
    pub properties: Vec<SslProperty>,
    /// Programs beside IIS that name a certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherUse>,
    /// Programs that are here and keep by themselves which certificate is theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<String>,
    /// Programs that renew certificates, and where they were seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renewers: Vec<InstalledRenewer>,
}

/// A setting of a record that is not what Windows begins with (`HTTP_SERVICE_CONFIG_SSL_PARAM_EX`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SslProperty {
    /// The record.
    pub endpoint: Endpoint,
    /// As `netsh http update sslpropertyex` takes it: `propertyid=0 receivewindow=65536`.
    pub value: String,
}

/// The Central Certificate Store: a folder of `host.pfx` files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CentralStore {
    /// `CertStoreLocation`.
    pub location: String,
    /// `UserName`.
    pub user: String,
}

/// One change to the bindings of a site, by the site's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingChange {
    /// The site.
    pub site: String,
    /// What becomes of which binding.
    pub change: BindingEdit,
}

/// What becomes of a binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BindingEdit {
    /// A binding that is not there.
    Add(Binding),
    /// A binding that is there.
    Remove(Binding),
    /// Other `sslFlags` for a binding that is there.
    Flags {
        /// The binding, as it is.
        binding: Binding,
        /// As they will be.
        ssl_flags: u32,
    },
    /// The certificate of an FTP site (`ftpServer/security/ssl`): thumbprint and store, empty for
    /// none.
    Ftp {
        /// `serverCertHash`.
        thumbprint: String,
        /// `serverCertStoreName`.
        store: String,
    },
}

/// The records of http.sys. Every write is read back by its caller.
pub trait HttpSys {
    /// All of them, whoever made them.
    ///
    /// # Errors
    /// What Windows answered.
    fn records(&self) -> Result<Vec<SslBinding>, WindowsError>;

    /// The record of one endpoint.
    ///
    /// # Errors
    /// What Windows answered.
    fn record(&self, endpoint: &Endpoint) -> Result<Option<SslBinding>, WindowsError> {
        let wanted = endpoint.in_lower_case();
        Ok(self
            .records()?
            .into_iter()
            .find(|record| record.endpoint.in_lower_case() == wanted))
    }

    /// Adds a record for an endpoint that has none.
    ///
    /// # Errors
    /// What Windows answered: 183 if there is one, 1312 if the store does not hold the certificate
    /// with its key.
    fn add(&self, record: &SslBinding) -> Result<(), WindowsError>;

    /// Replaces the record of an endpoint; at once where Windows can do it.
    ///
    /// # Errors
    /// What Windows answered.
    fn replace(&self, record: &SslBinding) -> Result<(), WindowsError>;

    /// Removes the record of an endpoint, and says whether there was one.
    ///
    /// # Errors
    /// What Windows answered.
    fn remove(&self, endpoint: &Endpoint) -> Result<bool, WindowsError>;
}

/// The configuration of IIS.
pub trait SiteConfig {
    /// The folder with `applicationHost.config` and `redirection.config`; `None` where IIS is not
    /// installed.
    fn folder(&self) -> Option<std::path::PathBuf>;

    /// Changes bindings through IIS's own writer, all in one commit.
    ///
    /// # Errors
    /// What Windows answered; nothing was changed.
    fn apply(&self, changes: &[BindingChange]) -> Result<(), WindowsError>;

    /// Adds a site with its bindings and its first folder through IIS's own writer; IIS starts it.
    ///
    /// # Errors
    /// What Windows answered: `ERROR_ALREADY_EXISTS` where there is one of that name.
    fn add_site(&self, site: &Site) -> Result<(), WindowsError>;

    /// Removes a site, and says whether it was there.
    ///
    /// # Errors
    /// What Windows answered.
    fn remove_site(&self, name: &str) -> Result<bool, WindowsError>;

    /// Lets IIS make its own backup of the configuration (`appcmd add backup NAME`).
    ///
    /// # Errors
    /// What Windows answered.
    fn back_up(&self, name: &str) -> Result<(), WindowsError>;

    /// The addresses of this machine, to tell which bindings can be reached.
    ///
    /// # Errors
    /// What Windows answered.
    fn addresses(&self) -> Result<Vec<IpAddr>, WindowsError>;

    /// The build of Windows, such as 20348: decides which flags it knows.
    fn windows_build(&self) -> u32;
    /// Settings beside the sites, as far as they can be read.
    fn settings(&self) -> Settings {
        Settings::default()
    }
}
