//! A secret in shares of which any K give it back, as words for paper: SLIP-39 (SatoshiLabs), with one
//! group. Stock tools combine what is split here (`shamir recover` of shamir-mnemonic).

use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Most shares of a set.
pub const MOST_SHARES: u8 = 16;

/// The list of SLIP-39 (see shares/LICENSE): 1024 words, which their first four letters tell apart.
static LIST: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("shares/words.txt").lines().collect());
/// Letters that tell a word.
const TELLING: usize = 4;
/// Words before the value.
const HEADER_WORDS: usize = 4;
const CHECKSUM_WORDS: usize = 3;
/// A share of 16 bytes has so many words.
const FEWEST_WORDS: usize = 20;
/// A share of 64 bytes has so many words.
const MOST_WORDS: usize = 59;
/// The highest exponent that is read: some seconds. Stock tools write 1.
const MOST_WORK: u8 = 8;
const WORD_BITS: usize = 10;

/// What all shares of a set say, and which of them this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// 15 bits, random.
    identifier: u16,
    is_extendable: bool,
    /// How much work the passphrase is stretched with: 10000 iterations, doubled so often.
    exponent: u8,
    /// From 0 on.
    index: u8,
    threshold: u8,
}

impl Header {
    /// The header in the words of a share; `None` for a form that is not read here.
    fn parse(words: &[u16]) -> Option<Self> {
        let bits = words[..HEADER_WORDS]
            .iter()
            .fold(0_u64, |bits, word| bits << WORD_BITS | u64::from(*word));
        let nibble = |at: u32| (bits >> at & 15) as u8;
        let (group, group_threshold, groups) = (nibble(16), nibble(12), nibble(8));
        let is_one_group = (group, group_threshold, groups) == (0, 0, 0);
        (is_one_group && nibble(20) <= MOST_WORK).then(|| Self {
            identifier: (bits >> 25) as u16,
            is_extendable: bits >> 24 & 1 == 1,
            exponent: nibble(20),
            index: nibble(4),
            threshold: nibble(0) + 1,
        })
    }

    fn words(self) -> [u16; HEADER_WORDS] {
        let bits = u64::from(self.identifier) << 25
            | u64::from(self.is_extendable) << 24
            | u64::from(self.exponent) << 20
            | u64::from(self.index) << 4
            | u64::from(self.threshold - 1);
        [30, 20, 10, 0].map(|at| (bits >> at & 1023) as u16)
    }
}

/// Why words are no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongShare {
    /// The word at this place, counted from 0, is not in the list.
    Word(usize),
    /// So many words are none.
    Length(usize),
    /// A word is another than was written: the one at this place, where it is only one.
    Checksum(Option<usize>),
    /// A form of SLIP-39 that is not read here: several groups, or work without measure.
    Form,
}

/// One share.
pub struct Share {
    header: Header,
    value: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Share({} of {}, …)",
            self.number(),
            self.header.threshold
        )
    }
}

impl Share {
    /// Parses words with blanks between them; the first four letters of a word are enough.
    ///
    /// # Errors
    /// Why it is none, and where.
    pub fn parse(text: &str) -> Result<Self, WrongShare> {
        let count = text.split_whitespace().count();
        if !(FEWEST_WORDS..=MOST_WORDS).contains(&count) {
            return Err(WrongShare::Length(count));
        }
        let mut words = Zeroizing::new(Vec::with_capacity(count));
        for (at, typed) in text.split_whitespace().enumerate() {
            words.push(index_of(typed).ok_or(WrongShare::Word(at))?);
        }
        if !is_right(&words) {
            return Err(WrongShare::Checksum(wrong_word(&mut words)));
        }
        let header = Header::parse(&words).ok_or(WrongShare::Form)?;
        let value = &words[HEADER_WORDS..count - CHECKSUM_WORDS];
        let value = value_of(value).ok_or(WrongShare::Length(count))?;
        Ok(Self { header, value })
    }

    /// The words, with a blank between them.
    pub fn text(&self) -> Zeroizing<String> {
        let bits = self.value.len() * 8;
        let value_words = bits.div_ceil(WORD_BITS);
        let count = HEADER_WORDS + value_words + CHECKSUM_WORDS;
        let mut words = Zeroizing::new(Vec::with_capacity(count));
        words.extend(self.header.words());
        let (mut taken, mut have) = (0_u32, value_words * WORD_BITS - bits);
        for byte in self.value.iter() {
            taken = taken << 8 | u32::from(*byte);
            have += 8;
            if have >= WORD_BITS {
                have -= WORD_BITS;
                words.push((taken >> have) as u16);
                taken &= (1 << have) - 1;
            }
        }
        words.extend([0; CHECKSUM_WORDS]);
        let checksum = polymod(&words) ^ 1;
        for (at, word) in words[count - CHECKSUM_WORDS..].iter_mut().rev().enumerate() {
            *word = (checksum >> (WORD_BITS * at) & 1023) as u16;
        }
        let mut text = Zeroizing::new(String::with_capacity(count * 9));
        for (at, word) in words.iter().enumerate() {
            text.push_str(if at == 0 { "" } else { " " });
            text.push_str(LIST[usize::from(*word)]);
        }
        text
    }

    /// Which of the shares of its set it is, from 1 on.
    pub fn number(&self) -> u8 {
        self.header.index + 1
    }

    /// How many shares of the set give the secret.
    pub fn threshold(&self) -> u8 {
        self.header.threshold
    }
}

/// A word of the list as it is written there; nothing else.
pub fn word(typed: &str) -> Option<&'static str> {
    Some(LIST[usize::from(index_of(typed)?)])
}

/// The place of a word, in any letters, of which the first four are enough.
fn index_of(typed: &str) -> Option<u16> {
    let mut typed = Zeroizing::new(typed.to_owned());
    typed.make_ascii_lowercase();
    let is_enough = typed.len() >= TELLING;
    let begins = |word: &&str| is_enough && word.starts_with(typed.as_str());
    let at = LIST.iter().position(begins)?;
    u16::try_from(at).ok()
}

/// The bytes in the words of a value; `None` where bits are left over that should not be there.
fn value_of(words: &[u16]) -> Option<Zeroizing<Vec<u8>>> {
    let bits = words.len() * WORD_BITS;
    let padding = bits % 16;
    if padding > 8 || words[0] >> (WORD_BITS - padding) != 0 {
        return None;
    }
    let mut value = Zeroizing::new(Vec::with_capacity(bits / 8));
    let (mut taken, mut have) = (u32::from(words[0]), WORD_BITS - padding);
    for word in words[1..].iter().map(Some).chain([None]) {
        while have >= 8 {
            have -= 8;
            value.push((taken >> have) as u8);
            taken &= (1 << have) - 1;
        }
        taken = taken << WORD_BITS | u32::from(word.copied().unwrap_or(0));
        have += WORD_BITS;
    }
    Some(value)
}

/// RS1024, the checksum of SLIP-39, over its customisation string and these words.
fn polymod(words: &[u16]) -> u32 {
    const GENERATOR: [u32; 10] = [
        0x00e0_e040,
        0x01c1_c080,
        0x0383_8100,
        0x0707_0200,
        0x0e0e_0009,
        0x1c0c_2412,
        0x3808_6c24,
        0x3090_fc48,
        0x21b1_f890,
        0x03f3_f120,
    ];
    let is_extendable = words[1] >> 4 & 1 == 1;
    let customisation: &[u8] = if is_extendable {
        b"shamir_extendable"
    } else {
        b"shamir"
    };
    let customisation = customisation.iter().map(|byte| u16::from(*byte));
    let mut check = 1_u32;
    for value in customisation.chain(words.iter().copied()) {
        let top = check >> 20;
        check = (check & 0xf_ffff) << WORD_BITS ^ u32::from(value);
        for (bit, generator) in GENERATOR.iter().enumerate() {
            check ^= if top >> bit & 1 == 1 { *generator } else { 0 };
        }
    }
    check
}

fn is_right(words: &[u16]) -> bool {
    polymod(words) == 1
}

/// Where the one wrong word stands: two shares differ in at least four.
fn wrong_word(words: &mut [u16]) -> Option<usize> {
    for place in 0..words.len() {
        let written = words[place];
        for other in 0..1024 {
            words[place] = other;
            if is_right(words) {
                return Some(place);
            }
        }
        words[place] = written;
    }
    None
}

/// Why a share does not go with those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It is of another set.
    Foreign,
    /// This number is there already.
    Double,
}

/// Shares of one set, as they are given.
#[derive(Debug, Default)]
pub struct Shares(Vec<Share>);

impl Shares {
    /// Takes one more.
    ///
    /// # Errors
    /// Where it does not go with the others; it is not taken then.
    pub fn add(&mut self, share: Share) -> Result<(), Unfit> {
        if let Some(first) = self.0.first() {
            let (index, length) = (first.header.index, first.value.len());
            let of_set = Header {
                index,
                ..share.header
            };
            if of_set != first.header || share.value.len() != length {
                return Err(Unfit::Foreign);
            }
        }
        if self.0.iter().any(|known| known.header == share.header) {
            return Err(Unfit::Double);
        }
        self.0.push(share);
        Ok(())
    }

    /// Those that are there.
    pub fn given(&self) -> &[Share] {
        &self.0
    }

    /// How many are missing; nothing where none is there, because each says it.
    pub fn missing(&self) -> Option<usize> {
        let threshold = usize::from(self.0.first()?.threshold());
        Some(threshold.saturating_sub(self.0.len()))
    }

    /// The secret; `None` where shares are missing, or one is not what it was though its checksum is
    /// right. Another passphrase gives another secret.
    pub fn secret(&self, passphrase: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if self.missing()? > 0 {
            return None;
        }
        let header = self.0[0].header;
        let points: Vec<Point<'_>> = self.0[..usize::from(header.threshold)]
            .iter()
            .map(|share| (share.header.index, share.value.as_slice()))
            .collect();
        let sealed = match points.as_slice() {
            [(_, value)] => Zeroizing::new(value.to_vec()),
            points => {
                let secret = at(points, SECRET);
                let digest = at(points, DIGEST);
                let (digest, random) = digest.split_at(DIGEST_LENGTH);
                if digest_of(random, &secret) != digest {
                    return None;
                }
                secret
            }
        };
        let rounds = [3, 2, 1, 0];
        Some(feistel(header, passphrase, &sealed, rounds))
    }
}

/// Splits a secret of an even number of bytes, 16 to 64, into shares of which any `threshold` give it
/// back. No passphrase.
///
/// # Errors
/// When the system has no random numbers.
///
/// # Panics
/// Not for 2 ≤ `threshold` ≤ `count` ≤ 16.
pub fn split(secret: &[u8], threshold: u8, count: u8) -> Result<Vec<Share>, getrandom::Error> {
    assert!((2..=count).contains(&threshold) && count <= MOST_SHARES);
    let mut identifier = [0; 2];
    getrandom::fill(&mut identifier)?;
    let header = Header {
        identifier: u16::from_be_bytes(identifier) >> 1,
        is_extendable: true,
        // There is no passphrase to stretch.
        exponent: 0,
        index: 0,
        threshold,
    };
    let sealed = feistel(header, b"", secret, [0, 1, 2, 3]);
    let random = |length: usize| {
        let mut random = Zeroizing::new(vec![0; length]);
        getrandom::fill(&mut random).map(|()| random)
    };
    let mut base = Vec::with_capacity(usize::from(threshold));
    for index in 0..threshold - 2 {
        base.push((index, random(secret.len())?));
    }
    let rest = random(secret.len() - DIGEST_LENGTH)?;
    let mut digest = digest_of(&rest, &sealed);
    digest.reserve_exact(rest.len());
    digest.extend_from_slice(&rest);
    base.extend([(DIGEST, Zeroizing::new(digest)), (SECRET, sealed)]);
    let points: Vec<Point<'_>> = base
        .iter()
        .map(|(x, value)| (*x, value.as_slice()))
        .collect();
    let share = |index| Share {
        header: Header { index, ..header },
        value: at(&points, index),
    };
    Ok((0..count).map(share).collect())
}

/// An argument and what the polynomials are there.
type Point<'s> = (u8, &'s [u8]);
/// Where the polynomials give the secret, and its digest.
const SECRET: u8 = 255;
const DIGEST: u8 = 254;
const DIGEST_LENGTH: usize = 4;

fn digest_of(random: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut mac = keyed(random);
    mac.update(secret);
    mac.finalize().into_bytes()[..DIGEST_LENGTH].to_vec()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
}

/// What the polynomials through the points are at `x`, over GF(2⁸) as AES has it.
fn at(points: &[Point<'_>], x: u8) -> Zeroizing<Vec<u8>> {
    let mut result = Zeroizing::new(vec![0; points[0].1.len()]);
    for (own, value) in points {
        let mut basis = 1;
        for (other, _) in points.iter().filter(|(other, _)| other != own) {
            basis = times(basis, times(other ^ x, inverse(other ^ own)));
        }
        for (sum, byte) in result.iter_mut().zip(*value) {
            *sum ^= times(basis, *byte);
        }
    }
    result
}

/// A product, without tables or branches that a secret would choose.
fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    for _ in 0..8 {
        product ^= a & 0_u8.wrapping_sub(b & 1);
        a = a << 1 ^ 0x1b & 0_u8.wrapping_sub(a >> 7);
        b >>= 1;
    }
    product
}

/// `a` to the 254th.
fn inverse(a: u8) -> u8 {
    let mut power = a;
    for _ in 0..6 {
        power = times(times(power, power), a);
    }
    times(power, power)
}

/// The cipher of SLIP-39, in one direction or the other.
fn feistel(header: Header, passphrase: &[u8], value: &[u8], rounds: [u8; 4]) -> Zeroizing<Vec<u8>> {
    let half = value.len() / 2;
    let salt = match header.is_extendable {
        true => Vec::new(),
        false => [b"shamir".as_slice(), &header.identifier.to_be_bytes()].concat(),
    };
    let (left, right) = value.split_at(half);
    let mut left = Zeroizing::new(left.to_vec());
    let mut right = Zeroizing::new(right.to_vec());
    for round in rounds {
        let password = Zeroizing::new([&[round], passphrase].concat());
        let salt = Zeroizing::new([salt.as_slice(), &right].concat());
        let mut key = Zeroizing::new(vec![0; half]);
        pbkdf2::pbkdf2_hmac::<Sha256>(&password, &salt, 2500 << header.exponent, &mut key);
        key.iter_mut()
            .zip(left.iter())
            .for_each(|(key, left)| *key ^= left);
        left = std::mem::replace(&mut right, key);
    }
    Zeroizing::new([right.as_slice(), &left].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any of the combinations, by the bits of their numbers.
    fn combined(shares: &[Share], chosen: u32) -> Shares {
        let mut set = Shares::default();
        for (at, share) in shares.iter().enumerate() {
            if chosen >> at & 1 == 1 {
                set.add(Share::parse(&share.text()).unwrap()).unwrap();
            }
        }
        set
    }

    #[test]
    fn any_shares_as_many_as_are_needed_give_the_secret_and_fewer_do_not() {
        let secret: Vec<u8> = (0..32).collect();
        for (threshold, count) in [(2, 2), (2, 3), (3, 5), (5, 5)] {
            let shares = split(&secret, threshold, count).unwrap();
            for chosen in 0..1_u32 << count {
                let set = combined(&shares, chosen);
                let is_enough = chosen.count_ones() >= u32::from(threshold);
                assert_eq!(set.secret(b"").as_deref() == Some(&secret), is_enough);
                let missing = usize::from(threshold).saturating_sub(set.given().len());
                assert_eq!(set.missing(), (chosen != 0).then_some(missing));
            }
        }
    }

    #[test]
    fn a_share_that_is_damaged_foreign_or_there_already_is_named() {
        let (shares, others) = (
            split(&[7; 32], 3, 5).unwrap(),
            split(&[7; 32], 3, 5).unwrap(),
        );
        let mut set = combined(&shares, 0b11);
        let again = |share: &Share| Share::parse(&share.text()).unwrap();
        assert_eq!(set.add(again(&shares[1])), Err(Unfit::Double));
        assert_eq!(set.add(again(&others[2])), Err(Unfit::Foreign));
        assert_eq!(set.missing(), Some(1));

        let text = shares[2].text();
        let mut words: Vec<&str> = text.split(' ').collect();
        assert_eq!(words.len(), 33);
        let wrong = |words: &[&str]| Share::parse(&words.join(" ")).unwrap_err();
        assert_eq!(wrong(&words[..32]), WrongShare::Checksum(None));
        assert_eq!(wrong(&words[..19]), WrongShare::Length(19));
        words[17] = match words[17] {
            "academic" => "zero",
            _ => "academic",
        };
        assert_eq!(wrong(&words), WrongShare::Checksum(Some(17)));
        words[17] = "passphrase";
        assert_eq!(wrong(&words), WrongShare::Word(17));
    }

    #[test]
    fn a_word_is_taken_in_any_letters_and_by_its_first_four() {
        assert_eq!(word("ACADEMIC"), Some("academic"));
        assert_eq!(word("acad"), Some("academic"));
        for none in ["", "aca", "academics", "acid1", "学ぶ"] {
            assert_eq!(word(none), None, "{none}");
        }
        assert_eq!(LIST.len(), 1024);
        let telling: std::collections::BTreeSet<&str> =
            LIST.iter().map(|word| &word[..TELLING]).collect();
        assert_eq!(telling.len(), 1024);
    }
}
