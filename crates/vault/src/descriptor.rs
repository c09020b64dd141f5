//! What a device says of itself, by which a medium is known again.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// What a removable device and the file system on it say of themselves. Cheap sticks share a serial
/// number or have none, and a card shows the reader that it is in: evidence, never proof.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Descriptor {
    /// Maker and model: `SanDisk Ultra`.
    pub model: Option<String>,
    /// The device's serial number.
    pub serial: Option<String>,
    /// The device's size in bytes.
    pub size: Option<u64>,
    /// The id that the file system got when it was made: `1A2B-3C4D`.
    pub volume: Option<String>,
}

impl Descriptor {
    /// Whether anything is known at all.
    pub fn is_known(&self) -> bool {
        *self != Self::default()
    }

    /// Takes over what another look at the same device says, and keeps what only the earlier one
    /// said.
    pub fn learn(&mut self, later: Self) {
        let earlier = std::mem::take(self);
        *self = Self {
            model: later.model.or(earlier.model),
            serial: later.serial.or(earlier.serial),
            size: later.size.or(earlier.size),
            volume: later.volume.or(earlier.volume),
        };
    }

    /// Whether both say something that does not fit: another device, or another file system on the
    /// same one.
    pub fn differs_from(&self, other: &Self) -> bool {
        differ(self.size.as_ref(), other.size.as_ref())
            || [
                (&self.model, &other.model),
                (&self.serial, &other.serial),
                (&self.volume, &other.volume),
            ]
            .into_iter()
            .any(|(one, other)| differ(one.as_ref(), other.as_ref()))
    }

    /// Whether both are one device, whatever file system is on it, as far as a serial number tells.
    pub fn is_same_device(&self, other: &Self) -> bool {
        self.serial.is_some()
            && (&self.model, &self.serial, &self.size) == (&other.model, &other.serial, &other.size)
    }
}

fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    one.is_some_and(|one| other.is_some_and(|other| one != other))
}

/// `SanDisk Ultra, 31.9 GB, S/N 4C530001, 1A2B-3C4D`.
impl Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self
            .size
            .map(|bytes| format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10));
        let serial = self.serial.as_ref().map(|serial| format!("S/N {serial}"));
        let parts: Vec<String> = [self.model.clone(), size, serial, self.volume.clone()]
            .into_iter()
            .flatten()
            .collect();
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stick(serial: Option<&str>, volume: &str) -> Descriptor {
        let owned = |text: &str| Some(text.to_owned());
        Descriptor {
            model: owned("SanDisk Ultra"),
            serial: serial.and_then(owned),
            size: Some(31_914_983_424),
            volume: owned(volume),
        }
    }

    #[test]
    fn what_one_side_does_not_say_is_no_difference() {
        let full = stick(Some("4C53"), "1A2B-3C4D");
        let only_size = Descriptor {
            size: full.size,
            ..Descriptor::default()
        };
        assert!(!full.differs_from(&only_size) && !only_size.differs_from(&full));
        assert!(!full.differs_from(&Descriptor::default()));
        assert!(full.differs_from(&stick(Some("4C54"), "1A2B-3C4D")));
        assert!(
            full.differs_from(&stick(None, "FFFF-0000")),
            "formatted anew, or another of the same make"
        );
    }

    #[test]
    fn a_later_look_that_sees_less_forgets_nothing() {
        let mut seen = Descriptor {
            volume: None,
            ..stick(Some("4C53"), "")
        };
        seen.learn(Descriptor {
            volume: Some("1A2B-3C4D".into()),
            ..Descriptor::default()
        });
        assert_eq!(seen, stick(Some("4C53"), "1A2B-3C4D"));
    }

    #[test]
    fn a_device_is_the_same_one_only_by_a_serial_number() {
        assert!(stick(Some("4C53"), "1").is_same_device(&stick(Some("4C53"), "2")));
        assert!(!stick(None, "1").is_same_device(&stick(None, "1")));
    }

    #[test]
    fn it_is_shown_on_one_line_with_what_is_known() {
        assert_eq!(
            stick(Some("4C53"), "1A2B-3C4D").to_string(),
            "SanDisk Ultra, 31.9 GB, S/N 4C53, 1A2B-3C4D"
        );
        assert_eq!(
            Descriptor {
                serial: Some("7".into()),
                ..Descriptor::default()
            }
            .to_string(),
            "S/N 7"
        );
    }
}
