//! What applicationHost.config and redirection.config say about sites. They are read as bytes, from
//! a running server as from a dead one's disk, and never written: on a running server only IIS
//! itself writes them.
//!
//! Microsoft: iis-docs, `system.applicationHost/sites`, `configurationRedirection`.

use std::io;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node, ParsingOptions};

use super::sites::{Binding, FtpCertificate, Site};
use crate::error::{Error, Result};
use crate::input::read_input;
use crate::message::{Text, os_reason};
use crate::text;

/// The configuration of the whole server.
pub const APPLICATION_HOST: &str = "applicationHost.config";
/// Says whether another folder's configuration counts instead: shared configuration.
pub const REDIRECTION: &str = "redirection.config";

/// Largest configuration that is read; five hundred sites take one megabyte.
const MAX_SIZE: usize = 8 * 1024 * 1024;
/// Most elements and texts of one; the parser takes about a hundred bytes for each.
const MAX_NODES: u32 = 500_000;
/// Most attributes of one element. The parser compares each with all before it.
const MAX_ATTRIBUTES: usize = 250;
/// Most declarations of namespaces, which nested elements inherit one by one. IIS itself writes
/// none.
const MAX_NAMESPACES: usize = 250;

/// What a configuration says about sites.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// In the order of the file, with the bindings that they inherit.
    pub sites: Vec<Site>,
    /// The certificate of FTP sites that have none of their own.
    pub ftp_defaults: Option<FtpCertificate>,
    /// Paths with settings of their own (`location`), such as "require SSL" for one folder.
    pub locations: Vec<String>,
}

/// A configuration with the folder it was found in.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The configuration in effect.
    pub config: Config,
    /// The folder that redirection.config leads to, where several servers share one configuration.
    pub shared: Option<PathBuf>,
}

/// Reads the configuration in effect, as IIS does: from `folder`, or from where its
/// redirection.config leads.
///
/// # Errors
/// When a file cannot be read, or is no configuration.
pub fn read_folder(folder: &Path) -> Result<Installed> {
    let redirection = folder.join(REDIRECTION);
    let shared = match read_input(&redirection) {
        Ok(bytes) => {
            parse_redirection(&bytes).map_err(|reason| unreadable(&redirection, reason))?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(unreadable(&redirection, os_reason(&error))),
    };
    let shared = shared.map(PathBuf::from);
    let config = read_file(&shared.as_deref().unwrap_or(folder).join(APPLICATION_HOST))?;
    Ok(Installed { config, shared })
}

/// Reads one applicationHost.config, wherever it was copied to.
///
/// # Errors
/// When it, or a file beside it that holds a part of it, cannot be read, or is no configuration.
pub fn read_file(path: &Path) -> Result<Config> {
    let read = |path: &Path| read_input(path).map_err(|error| os_reason(&error));
    let beside = |name: &str| {
        let bytes = read(&path.with_file_name(name));
        bytes
            .map(|bytes| bytes.to_vec())
            .map_err(|reason| text!("reason-medium", path = name, reason = reason))
    };
    let config = read(path).and_then(|bytes| parse(&bytes, &beside));
    config.map_err(|reason| unreadable(path, reason))
}

fn unreadable(path: &Path, reason: Text) -> Error {
    Error::failed(text!("error-iis-config", path = path, reason = reason))
}

/// Parses an applicationHost.config. `beside` reads a file of its folder, for a section that is
/// kept in one.
///
/// # Errors
/// Why it is no configuration, for people.
pub fn parse(bytes: &[u8], beside: &dyn Fn(&str) -> Result<Vec<u8>, Text>) -> Result<Config, Text> {
    let text = decode(bytes)?;
    let document = document(&text)?;
    let root = root(&document, "configuration")?;
    let own_path = |node: &Node<'_, '_>| {
        node.attribute("path")
            .filter(|path| !matches!(*path, "" | "."))
            .map(str::to_owned)
    };
    let locations: Vec<_> = children(root, "location").collect();
    let mut config = Config {
        locations: locations.iter().filter_map(own_path).collect(),
        ..Config::default()
    };
    // A section may stand in a location that is the whole server.
    let whole_server = locations
        .into_iter()
        .filter(|node| own_path(node).is_none());
    let hosts = std::iter::once(root)
        .chain(whole_server)
        .flat_map(|node| children(node, "system.applicationHost"));
    for sites in hosts.flat_map(|host| children(host, "sites")) {
        match sites.attribute("configSource") {
            None => take_sites(sites, &mut config)?,
            Some(name) => take_sites_of(&beside(plain_name(sites, name)?)?, &mut config)?,
        }
    }
    Ok(config)
}

/// A section that is kept in a file of its own.
fn take_sites_of(bytes: &[u8], config: &mut Config) -> Result<(), Text> {
    let text = decode(bytes)?;
    let document = document(&text)?;
    take_sites(root(&document, "sites")?, config)
}

/// Parses a redirection.config: the folder it leads to, if it is enabled.
///
/// # Errors
/// Why it is none, for people.
pub fn parse_redirection(bytes: &[u8]) -> Result<Option<String>, Text> {
    let text = decode(bytes)?;
    let document = document(&text)?;
    let root = root(&document, "configuration")?;
    let redirections = children(root, "configurationRedirection");
    let enabled = |node: &Node<'_, '_>| {
        node.attribute("enabled")
            .is_some_and(|is| is.eq_ignore_ascii_case("true"))
    };
    let path = redirections
        .filter(enabled)
        .last()
        .map(|node| required(node, "path").map(str::to_owned));
    path.transpose()
}

/// Whether a task of the Task Scheduler is enabled; `None` if this is none.
///
/// Microsoft: \[MS-TSCH\], `settingsType`: `Enabled` is true where it is not said.
pub fn task_is_enabled(bytes: &[u8]) -> Option<bool> {
    let text = decode(bytes).ok()?;
    let document = document(&text).ok()?;
    let settings = children(root(&document, "Task").ok()?, "Settings");
    let mut enabled = settings.flat_map(|settings| children(settings, "Enabled"));
    Some(enabled.all(|node| node.text().is_some_and(|text| text.trim() == "true")))
}

fn take_sites(sites: Node<'_, '_>, config: &mut Config) -> Result<(), Text> {
    let defaults = children(sites, "siteDefaults").last();
    let inherited = defaults
        .map(|node| bindings(node, &[]))
        .transpose()?
        .unwrap_or_default();
    config.ftp_defaults = defaults
        .and_then(ftp_certificate)
        .or(config.ftp_defaults.take());
    for node in children(sites, "site") {
        config.sites.push(Site {
            id: number(node, "id")?.ok_or_else(|| missing(node, "id"))?,
            name: required(node, "name")?.to_owned(),
            bindings: bindings(node, &inherited)?,
            folders: folders(node),
            ftp: ftp_certificate(node),
        });
    }
    Ok(())
}

/// The bindings of a site: those it inherits, unless it clears them, and its own.
fn bindings(site: Node<'_, '_>, inherited: &[Binding]) -> Result<Vec<Binding>, Text> {
    let mut bindings = inherited.to_vec();
    for node in children(site, "bindings").flat_map(|node| node.children().filter(Node::is_element))
    {
        match node.tag_name().name() {
            "clear" => bindings.clear(),
            "binding" => {
                let binding = Binding {
                    protocol: required(node, "protocol")?.to_owned(),
                    information: required(node, "bindingInformation")?.to_owned(),
                    ssl_flags: number(node, "sslFlags")?.unwrap_or(0),
                };
                bindings.retain(|other| !other.is_same(&binding));
                bindings.push(binding);
            }
            _ => {}
        }
    }
    Ok(bindings)
}

/// Where the files of a site lie, as written: `%SystemDrive%\inetpub\wwwroot`.
fn folders(site: Node<'_, '_>) -> Vec<String> {
    let directories =
        children(site, "application").flat_map(|node| children(node, "virtualDirectory"));
    directories
        .filter_map(|node| node.attribute("physicalPath").map(str::to_owned))
        .collect()
}

fn ftp_certificate(site: Node<'_, '_>) -> Option<FtpCertificate> {
    let security = children(site, "ftpServer").flat_map(|node| children(node, "security"));
    let ssl = security.flat_map(|node| children(node, "ssl")).last()?;
    let thumbprint = ssl
        .attribute("serverCertHash")
        .filter(|hash| !hash.is_empty())?;
    let store = ssl
        .attribute("serverCertStoreName")
        .filter(|store| !store.is_empty());
    Some(FtpCertificate {
        thumbprint: thumbprint.to_ascii_uppercase(),
        store: store.unwrap_or("MY").to_owned(),
    })
}

/// UTF-8, as IIS writes it, or UTF-16 with its mark, as Notepad may have saved it.
fn decode(bytes: &[u8]) -> Result<String, Text> {
    if bytes.len() > MAX_SIZE {
        return Err(text!("os-too-large"));
    }
    let utf16 = |unit: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units = bytes
            .chunks(2)
            .map(|pair| unit([pair[0], pair.get(1).copied().unwrap_or(0xff)]));
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .ok()
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => utf16(u16::from_be_bytes, rest),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => String::from_utf8(rest.to_vec()).ok(),
    };
    text.ok_or_else(|| text!("config-no-text"))
}

/// Parses XML without a document type, after what the parser would take too long for is refused.
fn document(text: &str) -> Result<Document<'_>, Text> {
    // No attribute can hold a `<`, so each tag lies between two of them.
    if text.split('<').any(|tag| attributes(tag) > MAX_ATTRIBUTES)
        || text.matches("xmlns").nth(MAX_NAMESPACES).is_some()
    {
        return Err(text!("config-absurd"));
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::NodesLimitReached => text!("config-absurd"),
        error => text!("config-no-xml", line = error.pos().row),
    })
}

/// Attributes of a tag, by their quoted values; what else stands in quotes, in a value, in a comment
/// or in the text after the tag, is none.
fn attributes(tag: &str) -> usize {
    if tag.starts_with(['!', '?']) {
        return 0;
    }
    let mut count = 0;
    let mut rest = tag;
    while let Some(at) = rest.find(['"', '\'', '>']) {
        let (quote, after) = rest[at..].split_at(1);
        if quote == ">" {
            break;
        }
        count += 1;
        rest = after.split_once(quote).map_or("", |(_, rest)| rest);
    }
    count
}

fn root<'a, 'i>(document: &'a Document<'i>, name: &'static str) -> Result<Node<'a, 'i>, Text> {
    let root = document.root_element();
    if root.has_tag_name(name) {
        Ok(root)
    } else {
        Err(text!("config-other", element = name))
    }
}

fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children()
        .filter(move |child| child.has_tag_name(name))
}

fn required<'a>(node: Node<'a, '_>, attribute: &'static str) -> Result<&'a str, Text> {
    node.attribute(attribute)
        .ok_or_else(|| missing(node, attribute))
}

fn number(node: Node<'_, '_>, attribute: &'static str) -> Result<Option<u32>, Text> {
    let number = |text: &str| text.parse().map_err(|_| bad_value(node, attribute, text));
    node.attribute(attribute).map(number).transpose()
}

/// The name of a file in the same folder. A path could lead anywhere, and IIS takes none.
fn plain_name<'a>(node: Node<'_, '_>, name: &'a str) -> Result<&'a str, Text> {
    let plain =
        !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0']);
    if plain {
        Ok(name)
    } else {
        Err(bad_value(node, "configSource", name))
    }
}

fn missing(node: Node<'_, '_>, attribute: &'static str) -> Text {
    text!(
        "config-missing",
        line = line(node),
        element = node.tag_name().name(),
        attribute = attribute
    )
}

fn bad_value(node: Node<'_, '_>, attribute: &'static str, value: &str) -> Text {
    text!(
        "config-bad-value",
        line = line(node),
        attribute = attribute,
        value = value
    )
}

fn line(node: Node<'_, '_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}
