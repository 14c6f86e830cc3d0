//! Makes small pictures of large ones, which anybody may have made up: what they may take is known before they are read.

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use sarsen::clock;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

/// The largest small picture: what is shown is half of it, sharp on screens with two pixels for one.
const MOST_WIDE: u32 = 720;
const MOST_HIGH: u32 = 560;

/// How good a JPEG is, of 100.
const QUALITY: u8 = 82;

/// What reading the beginning of a picture may take: some have a whole profile of colours there, packed.
const MOST_FOR_SIZE: u64 = 8 << 20;

/// What a picture may take. Decoding takes up to ten bytes a pixel, so its pixels are its memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) pixels: u64,
    pub(super) time: Duration,
}

impl Bounds {
    /// Why a picture of this size is not read, if it is not.
    pub(super) fn refuse(self, (width, height): (u32, u32)) -> Option<String> {
        let pixels = u64::from(width) * u64::from(height);
        (pixels > self.pixels).then(|| {
            let millions = |pixels: u64| pixels.div_ceil(1_000_000);
            format!("it has {} million pixels; {} are read", millions(pixels), millions(self.pixels))
        })
    }

    fn limits(self) -> Limits {
        at_most(self.pixels.saturating_mul(10))
    }
}

fn at_most(bytes: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

/// A small picture.
#[derive(Debug)]
pub(super) struct Small {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: &'static str,
    /// The size of the large one, as it is shown.
    pub(super) of: (u32, u32),
}

/// Width and height of a picture as it is shown, from its first bytes; nothing when they do not say.
pub(super) fn size(head: &[u8]) -> Option<(u32, u32)> {
    // A GIF is shown as it is, so nothing else of it is read.
    if let [b'G', b'I', b'F', _, _, _, w0, w1, h0, h1, ..] = *head {
        return Some((u16::from_le_bytes([w0, w1]).into(), u16::from_le_bytes([h0, h1]).into()));
    }
    let mut reader = ImageReader::new(Cursor::new(head)).with_guessed_format().ok()?;
    reader.limits(at_most(MOST_FOR_SIZE));
    let mut decoder = reader.into_decoder().ok()?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Some(turned(decoder.dimensions(), orientation))
}

/// Makes a small picture, or says in words for people why there is none.
pub(super) fn make_small(picture: &[u8], bounds: Bounds, stopped: impl Fn() -> bool) -> Result<Small, String> {
    let until = clock::monotonic() + bounds.time;
    let watched = Watched { inner: Cursor::new(picture), until, stopped };
    let reader = ImageReader::new(watched).with_guessed_format();
    let mut reader = reader.map_err(|error| explain(&ImageError::IoError(error)))?;
    reader.limits(bounds.limits());
    let mut decoder = reader.into_decoder().map_err(|error| explain(&error))?;
    let size = decoder.dimensions();
    if let Some(reason) = bounds.refuse(size) {
        return Err(reason);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // As `ImageReader::decode` does, which would begin before anybody has seen the size.
    let mut limits = bounds.limits();
    limits.reserve(decoder.total_bytes()).map_err(|error| explain(&error))?;
    decoder.set_limits(limits).map_err(|error| explain(&error))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| explain(&error))?;
    if size.0 > MOST_WIDE || size.1 > MOST_HIGH {
        let (wide, high) = turned((MOST_WIDE, MOST_HIGH), orientation);
        image = image.thumbnail(wide, high);
    }
    image.apply_orientation(orientation);
    let (bytes, content_type) = encode(&image).map_err(|error| explain(&error))?;
    Ok(Small { bytes, content_type, of: turned(size, orientation) })
}

/// JPEG, but for what is transparent.
fn encode(image: &DynamicImage) -> Result<(Vec<u8>, &'static str), ImageError> {
    let mut bytes = Vec::new();
    if image.color().has_alpha() {
        image.to_rgba8().write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
        return Ok((bytes, "image/png"));
    }
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&image.to_rgb8())?;
    Ok((bytes, "image/jpeg"))
}

/// A size after turning; cameras write down how they were held.
fn turned((width, height): (u32, u32), orientation: Orientation) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            (height, width)
        }
        _ => (width, height),
    }
}

/// What people read; what the decoder says of its insides is of no use to them.
fn explain(error: &ImageError) -> String {
    let text = match error {
        ImageError::Limits(_) => "it would take too much memory",
        ImageError::Unsupported(_) => "pictures of its kind are not read",
        ImageError::IoError(error) if error.kind() == io::ErrorKind::TimedOut => "it took too long to read",
        _ => "it is damaged",
    };
    text.to_owned()
}

/// Bytes that end with an error when their time is over, or when nobody waits for them any more.
struct Watched<'b, F> {
    inner: Cursor<&'b [u8]>,
    until: Instant,
    stopped: F,
}

impl<F: Fn() -> bool> Watched<'_, F> {
    fn check(&self) -> io::Result<()> {
        if clock::monotonic() > self.until || (self.stopped)() {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        Ok(())
    }
}

impl<F: Fn() -> bool> Read for Watched<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.inner.read(buffer)
    }
}

impl<F: Fn() -> bool> BufRead for Watched<'_, F> {
    /// In small pieces, so that a picture that is large only when it is unpacked is looked at often.
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check()?;
        let rest = self.inner.fill_buf()?;
        Ok(&rest[..rest.len().min(4 << 10)])
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

impl<F: Fn() -> bool> Seek for Watched<'_, F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    const BOUNDS: Bounds = Bounds { pixels: 25_000_000, time: Duration::from_secs(60) };

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.write_to(&mut Cursor::new(&mut bytes), format).expect("a picture");
        bytes
    }

    fn small(picture: &[u8]) -> Result<Small, String> {
        make_small(picture, BOUNDS, || false)
    }

    fn wide() -> DynamicImage {
        RgbImage::from_fn(1600, 400, |x, _| Rgb([u8::try_from(x / 8).unwrap_or(0), 80, 160])).into()
    }

    #[test]
    fn a_large_picture_becomes_a_small_one_of_the_same_shape() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let picture = encoded(&wide(), format);
            assert_eq!(size(&picture[..picture.len().min(64 << 10)]), Some((1600, 400)), "{format:?}");
            let made = small(&picture).expect("a picture");
            assert_eq!(made.of, (1600, 400), "{format:?}");
            let read = image::load_from_memory(&made.bytes).expect("reads");
            assert_eq!((read.width(), read.height()), (720, 180), "{format:?}");
        }
    }

    #[test]
    fn the_size_of_a_gif_is_known_and_nothing_of_it_is_read() {
        assert_eq!(size(b"GIF89a\x40\x06\x90\x01\x00"), Some((1600, 400)));
        assert_eq!(size(b"GIF89a\x40"), None);
        assert!(small(b"GIF89a\x40\x06\x90\x01\x00").is_err());
    }

    #[test]
    fn transparency_stays_and_small_ones_keep_their_size() {
        let clear: DynamicImage = RgbaImage::from_pixel(30, 20, Rgba([10, 20, 30, 40])).into();
        let made = small(&encoded(&clear, ImageFormat::Png)).expect("a picture");
        assert_eq!((made.content_type, made.of), ("image/png", (30, 20)));
        let read = image::load_from_memory(&made.bytes).expect("reads").to_rgba8();
        assert_eq!((read.dimensions(), read.get_pixel(3, 3).0), ((30, 20), [10, 20, 30, 40]));
    }

    /// A JPEG whose camera was held upright: Exif says "turn me by 90 degrees".
    fn upright() -> Vec<u8> {
        let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let plain = encoded(&wide(), ImageFormat::Jpeg);
        [&plain[..2], exif, &plain[2..]].concat()
    }

    #[test]
    fn it_is_turned_as_the_camera_was_held() {
        let picture = upright();
        assert_eq!(size(&picture), Some((400, 1600)));
        let made = small(&picture).expect("a picture");
        let read = image::load_from_memory(&made.bytes).expect("reads");
        assert_eq!((made.of, read.width(), read.height()), ((400, 1600), 140, 560));
    }

    /// A PNG that says to be of this size, and has nothing in it.
    fn header(width: u32, height: u32) -> Vec<u8> {
        let mut picture = encoded(&RgbImage::new(1, 1).into(), ImageFormat::Png);
        picture[16..20].copy_from_slice(&width.to_be_bytes());
        picture[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc32(&picture[12..29]);
        picture[29..33].copy_from_slice(&sum.to_be_bytes());
        picture
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let step = |sum: u32, byte: &u8| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
        };
        !bytes.iter().fold(u32::MAX, step)
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let bomb = header(50_000, 50_000);
        assert_eq!(size(&bomb), Some((50_000, 50_000)));
        let began = clock::monotonic();
        let reason = small(&bomb).expect_err("too large");
        assert_eq!(reason, "it has 2500 million pixels; 25 are read");
        assert!(clock::monotonic() - began < Duration::from_secs(1));
    }

    #[test]
    fn what_is_damaged_slow_or_unwanted_ends_with_a_reason() {
        let good = encoded(&wide(), ImageFormat::Png);
        assert_eq!(small(&good[..good.len() / 2]).expect_err("cut off"), "it is damaged");
        assert_eq!(small(&header(4_000, 4_000)).expect_err("empty"), "it is damaged");
        assert_eq!(small(b"<svg/>").expect_err("no picture"), "pictures of its kind are not read");
        let hasty = Bounds { time: Duration::ZERO, ..BOUNDS };
        let reason = make_small(&good, hasty, || false).expect_err("no time");
        assert_eq!(reason, "it took too long to read");
        assert!(make_small(&good, BOUNDS, || true).is_err(), "nobody waits");
        assert!(small(&good).is_ok());
    }
}
