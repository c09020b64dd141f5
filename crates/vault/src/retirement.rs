//! What the owner retires of a server's key pairs, for a server that is gone: sealed into a statement,
//! because it names hosts (docs/format.md, section 4.2).

use serde::{Deserialize, Serialize};

use super::catalog::Retirement;
use super::id::{ServerId, VaultId};
use super::seal::{self, Recipients, Unsealed};

/// Sizes of its text are multiples of this, in bytes.
const STEP: usize = 1024;
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    vault: VaultId,
    server: ServerId,
    retired: Vec<Retirement>,
}

/// Seals what is retired of one server.
///
/// # Errors
/// When the library refuses.
pub fn seal(
    vault: &VaultId,
    server: ServerId,
    retired: &[Retirement],
    recipients: &Recipients,
) -> Result<Vec<u8>, Unsealed> {
    let document = Document {
        format: FORMAT,
        vault: vault.clone(),
        server,
        retired: retired.to_vec(),
    };
    // Plain data into memory: there is nothing here that JSON cannot express.
    let mut json = serde_json::to_vec(&document).map_err(|_| Unsealed)?;
    json.resize(json.len().next_multiple_of(STEP), b' ');
    recipients.seal(&json)
}

/// Opens it; `None` where it does not open, or is of another vault or server.
pub fn open(
    identity: &age::x25519::Identity,
    vault: &VaultId,
    server: ServerId,
    sealed: &[u8],
) -> Option<Vec<Retirement>> {
    let json = seal::open(identity, sealed).ok()?;
    let document: Document = serde_json::from_slice(json.expose()).ok()?;
    let is_it = document.format == FORMAT && document.vault == *vault && document.server == server;
    is_it.then_some(document.retired)
}
