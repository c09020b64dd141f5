//! What a paper says, read back from its file, from a scan, or from a photograph. Such a file may be
//! anything: what is taken of it is bounded, and nothing in it is believed.

use std::io::Cursor;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use png::{ColorType, Transformations};
use rqrr::PreparedImage;
use zeroize::Zeroizing;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::facts::SheetFacts;
use secret::shares::WrongShare;
use vault::paper::{self, KeyText, WrongKey};
use vault::shares::{self, ShareText};

/// Pixels on each side of a picture.
const MAX_SIDE: usize = 16_384;
/// Pixels of a picture: an A4 page at 600 dpi has 35 million.
const MAX_PIXELS: usize = 50_000_000;
/// Pictures that are looked at in a PDF.
const MAX_PICTURES: usize = 16;
/// A code is looked for in the picture as it is, then in a smaller one, which has less noise.
const SHRINKS: [usize; 4] = [1, 2, 3, 4];

/// What stands on a paper, for programs.
#[derive(Debug)]
pub enum Said {
    /// A recovery key, or what is wrong with its characters.
    Envelope(Result<KeyText, WrongKey>),
    /// A share of one, or what is wrong with its words.
    Share(Result<ShareText, WrongShare>),
    /// What an instruction sheet says of the vault.
    Sheet(SheetFacts),
}

/// How long codes are looked for in one file: a page takes less than a second, and a picture that is
/// made for it could take hours.
const MOST_TIME: Duration = Duration::from_secs(20);

/// What the paper in a file says; `None` where nothing in it is of a paper, or is not found in time.
pub fn read(bytes: &[u8]) -> Option<Said> {
    if !matches!(bytes, [0x89, ..] | [0xff, 0xd8, ..] | [b'%', ..]) {
        return said(&plain(bytes));
    }
    let (found, waiting) = mpsc::channel();
    let bytes = Zeroizing::new(bytes.to_vec());
    // Nobody can stop it; it ends with the program.
    thread::spawn(move || found.send(read_page(&bytes)));
    waiting.recv_timeout(MOST_TIME).ok().flatten()
}

fn read_page(bytes: &[u8]) -> Option<Said> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => said_by_picture(&png(bytes)?),
        [0xff, 0xd8, 0xff, ..] => said_by_picture(&jpeg(bytes)?),
        [b'%', b'P', b'D', b'F', ..] => said(&plain(bytes)).or_else(|| said_by_scan(bytes)),
        _ => said(&plain(bytes)),
    }
}

fn said(text: &str) -> Option<Said> {
    let envelope = || paper::find(text).map(Said::Envelope);
    let share = || shares::find(text).map(Said::Share);
    let sheet = SheetFacts::find(text).map(Said::Sheet);
    sheet.or_else(envelope).or_else(share)
}

/// A text in UTF-8 or, as Windows PowerShell writes it, UTF-16; of anything else the ASCII in it.
fn plain(bytes: &[u8]) -> Zeroizing<String> {
    let is_wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let mut text = Zeroizing::new(String::with_capacity(bytes.len()));
    let kept = bytes.iter().filter(|byte| !is_wide || **byte != 0);
    text.extend(
        kept.map(|byte| char::from(*byte))
            .map(|c| match c.is_ascii() {
                true => c,
                false => '?',
            }),
    );
    text
}

/// A picture in shades of grey.
struct Picture {
    width: usize,
    height: usize,
    grey: Zeroizing<Vec<u8>>,
}

impl Picture {
    fn new(width: usize, height: usize, grey: Zeroizing<Vec<u8>>) -> Option<Self> {
        let fits = is_of_size(width, height) && grey.len() >= width * height;
        fits.then_some(Self {
            width,
            height,
            grey,
        })
    }

    /// The mean of a square of so many pixels.
    fn mean(&self, column: usize, row: usize, side: usize) -> u8 {
        let mut sum = 0;
        for y in row * side..(row + 1) * side {
            let begin = y * self.width + column * side;
            let pixels = &self.grey[begin..begin + side];
            sum += pixels.iter().map(|grey| usize::from(*grey)).sum::<usize>();
        }
        u8::try_from(sum / (side * side)).unwrap_or(u8::MAX)
    }
}

fn is_of_size(width: usize, height: usize) -> bool {
    (1..=MAX_SIDE).contains(&width)
        && (1..=MAX_SIDE).contains(&height)
        && width * height <= MAX_PIXELS
}

fn said_by_picture(picture: &Picture) -> Option<Said> {
    SHRINKS
        .into_iter()
        .find_map(|side| said_by_codes(picture, side))
}

fn said_by_codes(picture: &Picture, side: usize) -> Option<Said> {
    let (width, height) = (picture.width / side, picture.height / side);
    if width == 0 || height == 0 {
        return None;
    }
    let mut image = PreparedImage::prepare_from_greyscale(width, height, |column, row| {
        picture.mean(column, row, side)
    });
    let codes = image.detect_grids();
    codes.iter().find_map(|code| {
        let (_, text) = code.decode().ok()?;
        said(&Zeroizing::new(text))
    })
}

/// The pictures of a PDF that a scanner makes: JPEG, one a page.
fn said_by_scan(bytes: &[u8]) -> Option<Said> {
    let begins = bytes.windows(3).enumerate();
    let begins = begins.filter(|(_, window)| *window == [0xff, 0xd8, 0xff]);
    begins.take(MAX_PICTURES).find_map(|(begin, _)| {
        let picture = jpeg(&bytes[begin..])?;
        said_by_picture(&picture)
    })
}

fn png(bytes: &[u8]) -> Option<Picture> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().ok()?;
    let size = |info: &png::Info<'_>| Some((as_size(info.width)?, as_size(info.height)?));
    let (width, height) = size(reader.info())?;
    if !is_of_size(width, height) {
        return None;
    }
    let mut pixels = Zeroizing::new(vec![0; reader.output_buffer_size()?]);
    let shown = reader.next_frame(&mut pixels).ok()?;
    let channels = match shown.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return None,
    };
    let colours = if channels < 3 { 1 } else { 3 };
    let grey = |pixel: &[u8]| {
        let sum: usize = pixel[..colours].iter().map(|part| usize::from(*part)).sum();
        u8::try_from(sum / colours).unwrap_or(u8::MAX)
    };
    let grey = Zeroizing::new(pixels.chunks_exact(channels).map(grey).collect::<Vec<_>>());
    Picture::new(width, height, grey)
}

fn as_size(pixels: u32) -> Option<usize> {
    usize::try_from(pixels).ok()
}

fn jpeg(bytes: &[u8]) -> Option<Picture> {
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    decoder.decode_headers().ok()?;
    let info = decoder.info()?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    if !is_of_size(width, height) {
        return None;
    }
    let grey = Zeroizing::new(decoder.decode().ok()?);
    Picture::new(width, height, grey)
}
