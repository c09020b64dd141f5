//! What is done with a vault: written, copied, checked, opened, rehearsed, judged. Nothing here asks
//! or prints.

pub mod audit;
pub mod backup;
pub mod clock;
pub mod copy;
pub mod create;
pub mod drill;
pub mod due;
pub mod finding;
pub mod history;
pub mod outbox;
pub mod parcel_file;
pub mod recall;
pub mod server_backup;
pub mod status;
pub mod unlock;
pub mod verify;
pub mod ways;
pub mod witness;
