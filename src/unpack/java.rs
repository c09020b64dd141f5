//! Key stores of Java, JKS and JCEKS: magic, version, the number of entries. Keys are encrypted,
//! certificates are not.

/// How they begin.
pub(crate) const JKS: &[u8] = b"\xfe\xed\xfe\xed";
pub(crate) const JCEKS: &[u8] = b"\xce\xce\xce\xce";
/// Entries that are looked at.
const MOST_ENTRIES: u32 = 10_000;
/// Certificates of one entry.
const MOST_CERTIFICATES: u32 = 100;

/// What is in such a file.
#[derive(Default)]
pub(crate) struct JavaStore<'a> {
    /// Private keys.
    pub(crate) keys: Vec<JavaKey<'a>>,
    /// Certificates of others.
    pub(crate) certificates: Vec<&'a [u8]>,
    /// Whether it could be read to its end: JCEKS holds any object of Java, too.
    pub(crate) is_whole: bool,
}

/// A private key.
pub(crate) struct JavaKey<'a> {
    /// Encrypted, in PKCS#8 with algorithms of Java's own.
    pub(crate) encrypted: &'a [u8],
    /// Its certificates, its own first.
    pub(crate) chain: Vec<&'a [u8]>,
}

/// Takes a file apart whose magic was seen; `None` where even its head is cut off.
pub(crate) fn read(bytes: &[u8]) -> Option<JavaStore<'_>> {
    let mut rest = bytes.get(4..)?;
    let (version, count) = (take_u32(&mut rest)?, take_u32(&mut rest)?);
    let mut store = JavaStore::default();
    for _ in 0..count.min(MOST_ENTRIES) {
        if store.take_entry(&mut rest, version).is_none() {
            return Some(store);
        }
    }
    store.is_whole = count <= MOST_ENTRIES;
    Some(store)
}

impl<'a> JavaStore<'a> {
    /// Kind, name, time; of a key (1) its length, itself, the number of its certificates and these;
    /// of a certificate (2) itself. `None` for anything else.
    fn take_entry(&mut self, rest: &mut &'a [u8], version: u32) -> Option<()> {
        let kind = take_u32(rest)?;
        take_name(rest)?;
        rest.split_off(..8)?;
        match kind {
            1 => {
                let encrypted = take_octets(rest)?;
                let count = take_u32(rest)?;
                let mut chain = Vec::new();
                for _ in 0..count.min(MOST_CERTIFICATES) {
                    chain.push(take_certificate(rest, version)?);
                }
                self.keys.push(JavaKey { encrypted, chain });
                (count <= MOST_CERTIFICATES).then_some(())
            }
            2 => {
                self.certificates.push(take_certificate(rest, version)?);
                Some(())
            }
            _ => None,
        }
    }
}

/// From version 2 on each certificate has its type before it.
fn take_certificate<'a>(rest: &mut &'a [u8], version: u32) -> Option<&'a [u8]> {
    if version > 1 {
        take_name(rest)?;
    }
    take_octets(rest)
}

fn take_octets<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_u32(rest)?).ok()?;
    rest.split_off(..length)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    rest.split_off(..4)?.try_into().ok().map(u32::from_be_bytes)
}

fn take_name<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length: [u8; 2] = rest.split_off(..2)?.try_into().ok()?;
    rest.split_off(..usize::from(u16::from_be_bytes(length)))
}
