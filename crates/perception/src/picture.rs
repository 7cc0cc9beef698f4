//! Bytes that somebody sent to a grey picture, or a clear refusal.
//!
//! Everything is bounded before anything is decoded: bytes, then the pixels that the header claims, then what the decoder may
//! allocate. Does not know what the picture shows.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use serde::Deserialize;
use sinew_contract::ErrorKind;

/// How much of a picture is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct PictureLimits {
    /// The longest file, in bytes. Default 20 MB.
    pub bytes_max: usize,
    /// The most pixels that a header may claim. Default 50 million, beyond any telephone's usual photograph.
    pub pixels_max: u64,
}

impl Default for PictureLimits {
    fn default() -> Self {
        Self { bytes_max: 20_000_000, pixels_max: 50_000_000 }
    }
}

/// Why a picture was refused. Nothing was decoded into memory beyond the limits.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// No bytes at all.
    #[error("the picture is empty; send the bytes of a JPEG or PNG file")]
    Empty,
    /// More bytes than the limit.
    #[error("the picture has `{len}` bytes, more than the limit of `{max}`; send a smaller photograph")]
    TooManyBytes {
        /// What came.
        len: usize,
        /// What is accepted.
        max: usize,
    },
    /// Neither JPEG nor PNG by its first bytes.
    #[error("the bytes are not a picture that can be read (they begin with `{begins}`); send a JPEG or PNG file")]
    NotAPicture {
        /// The first bytes, in hex.
        begins: String,
    },
    /// The header claims more pixels than the limit: perhaps a decompression bomb.
    #[error("the picture claims `{width}x{height}` pixels, more than the limit of `{max}`; send a smaller photograph")]
    TooManyPixels {
        /// Claimed width.
        width: u32,
        /// Claimed height.
        height: u32,
        /// Accepted product of the two.
        max: u64,
    },
    /// The file ends before its picture does.
    #[error("the picture is cut off after `{len}` bytes; send the whole file again")]
    Truncated {
        /// How many bytes came.
        len: usize,
    },
    /// The decoder found damage.
    #[error("the picture is damaged and cannot be decoded; take the photograph again")]
    Corrupt(#[source] ImageError),
    /// The decoder gave up in a way it should not have.
    #[error("the picture breaks its decoder; take the photograph again")]
    Panicked,
}

impl PictureError {
    /// Answers how the caller may react: the same bytes are always refused again.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// A grey picture, upright.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    luma: Vec<u8>,
    media_type: &'static str,
}

impl Picture {
    /// Decodes a JPEG or PNG file to grey, turned as its EXIF orientation says; what is transparent becomes white paper.
    ///
    /// # Errors
    /// Each variant of [`PictureError`]; a cut-off JPEG is refused although half of it could be shown.
    pub fn decode(bytes: &[u8], limits: &PictureLimits) -> Result<Self, PictureError> {
        let format = check_envelope(bytes, limits)?;
        // The decoders are careful, but a picture comes from anybody: a panic of theirs is an answer, not our end.
        let decoded = catch_unwind(AssertUnwindSafe(|| decode_checked(bytes, format, limits)));
        let image = decoded.unwrap_or(Err(PictureError::Panicked))?;
        let (width, height) = (image.width(), image.height());
        let media_type = format.to_mime_type();
        Ok(Self { width, height, luma: to_luma(image), media_type })
    }

    /// Makes a picture from rows of grey, `[height, width], u8`, 0 is black. `None` unless `luma` has `width * height` bytes.
    pub fn from_luma(width: u32, height: u32, luma: Vec<u8>) -> Option<Self> {
        let expected = u64::from(width) * u64::from(height);
        let fits = expected > 0 && u64::try_from(luma.len()) == Ok(expected);
        fits.then_some(Self { width, height, luma, media_type: "image/png" })
    }

    /// Width in pixels, after turning upright.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, after turning upright.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// The grey values, `[height, width], u8`.
    pub fn luma(&self) -> &[u8] {
        &self.luma
    }

    /// IANA media type of the file, by its first bytes and not by its name.
    pub const fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// The picture with each `factor x factor` block averaged to one pixel; `factor` 1 copies.
    pub(crate) fn shrunk(&self, factor: u32) -> Self {
        let factor = factor.max(1);
        let (width, height) = ((self.width / factor).max(1), (self.height / factor).max(1));
        let luma = (0..height).flat_map(|y| (0..width).map(move |x| self.block_mean(x * factor, y * factor, factor)));
        Self { width, height, luma: luma.collect(), media_type: self.media_type }
    }

    /// The part from `low` on, `size` wide and high, cut at the picture's edge; `None` where nothing is left.
    pub(crate) fn cropped(&self, low: [u32; 2], size: [u32; 2]) -> Option<Self> {
        let (right, bottom) =
            (low[0].saturating_add(size[0]).min(self.width), low[1].saturating_add(size[1]).min(self.height));
        let (width, height) = (right.checked_sub(low[0])?, bottom.checked_sub(low[1])?);
        let luma = (low[1]..bottom).flat_map(|y| self.span(low[0], right, y)).copied().collect();
        Self::from_luma(width, height, luma)
    }

    fn block_mean(&self, left: u32, top: u32, side: u32) -> u8 {
        let (right, bottom) = ((left + side).min(self.width), (top + side).min(self.height));
        let mut sum = 0u64;
        for y in top..bottom {
            sum += self.span(left, right, y).iter().map(|v| u64::from(*v)).sum::<u64>();
        }
        let count = u64::from(right - left) * u64::from(bottom - top);
        u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX)
    }

    fn span(&self, left: u32, right: u32, y: u32) -> &[u8] {
        let row = y as usize * self.width as usize;
        self.luma.get(row + left as usize..row + right as usize).unwrap_or_default()
    }
}

fn check_envelope(bytes: &[u8], limits: &PictureLimits) -> Result<ImageFormat, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    if bytes.len() > limits.bytes_max {
        return Err(PictureError::TooManyBytes { len: bytes.len(), max: limits.bytes_max });
    }
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) if is_cut_jpeg(bytes) => Err(PictureError::Truncated { len: bytes.len() }),
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => Ok(format),
        _ => {
            let begins = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
            Err(PictureError::NotAPicture { begins })
        }
    }
}

/// Says whether the file has an image scan and no end-of-image marker after it (ITU-T T.81, B.1.1.3).
///
/// The decoder would fill the missing part with grey and say nothing; inside a scan both markers cannot occur by chance,
/// and a thumbnail's own end lies before the scan.
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    last(0xda) > last(0xd9)
}

fn decode_checked(bytes: &[u8], format: ImageFormat, limits: &PictureLimits) -> Result<DynamicImage, PictureError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(decoder_limits(limits));
    let mut decoder = reader.into_decoder().map_err(|e| refuse(e, bytes))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > limits.pixels_max {
        return Err(PictureError::TooManyPixels { width, height, max: limits.pixels_max });
    }
    let orientation = decoder.orientation().map_err(|e| refuse(e, bytes))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| refuse(e, bytes))?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn decoder_limits(limits: &PictureLimits) -> Limits {
    let mut bounds = Limits::default();
    // 8: sixteen bits in each of four channels, the most that a PNG pixel takes; as much again for the decoder itself.
    bounds.max_alloc = Some(limits.pixels_max.saturating_mul(8).saturating_add(64 << 20));
    bounds
}

fn refuse(error: ImageError, bytes: &[u8]) -> PictureError {
    match &error {
        ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            PictureError::Truncated { len: bytes.len() }
        }
        _ => PictureError::Corrupt(error),
    }
}

fn to_luma(image: DynamicImage) -> Vec<u8> {
    if !image.color().has_alpha() {
        return image.into_luma8().into_raw();
    }
    let over_white = |p: &image::LumaA<u8>| {
        let [grey, alpha] = p.0.map(u32::from);
        u8::try_from((grey * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
    };
    image.into_luma_alpha8().pixels().map(over_white).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let image = image::GrayImage::from_fn(width, height, |x, y| image::Luma([(x * 7 + y * 13) as u8]));
        image.write_to(&mut out, ImageFormat::Png).expect("a small picture is encoded");
        out.into_inner()
    }

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let image = image::GrayImage::from_fn(width, height, |x, y| image::Luma([(x * 7 + y * 13) as u8]));
        image.write_to(&mut out, ImageFormat::Jpeg).expect("a small picture is encoded");
        out.into_inner()
    }

    fn refusal(bytes: &[u8]) -> String {
        Picture::decode(bytes, &PictureLimits::default()).expect_err("must be refused").to_string()
    }

    #[test]
    fn a_whole_picture_keeps_its_size_and_greys() {
        let picture = Picture::decode(&png(40, 30), &PictureLimits::default()).expect("a whole png");
        assert_eq!((picture.width(), picture.height(), picture.media_type()), (40, 30, "image/png"));
        assert_eq!(picture.luma().get(41), Some(&20));
    }

    #[test]
    fn what_is_not_a_whole_picture_is_refused_with_a_reason() {
        assert!(refusal(b"").contains("empty"));
        assert!(refusal(b"<html>not a picture</html>").contains("`3c68746d6c3e6e6f`"));
        assert!(refusal(b"\x89PNG\r\n\x1a\n").contains("cut off") || refusal(b"\x89PNG\r\n\x1a\n").contains("damaged"));
        let whole = png(200, 200);
        assert!(refusal(&whole[..whole.len() / 2]).contains("cut off after"), "{}", refusal(&whole[..whole.len() / 2]));
        let whole = jpeg(200, 200);
        assert!(refusal(&whole[..whole.len() - 40]).contains("cut off after"));
        assert!(refusal(&whole[..20]).contains("damaged") || refusal(&whole[..20]).contains("cut off"));
    }

    #[test]
    fn bytes_beyond_the_limit_are_not_looked_at() {
        let limits = PictureLimits { bytes_max: 10, ..PictureLimits::default() };
        let error = Picture::decode(&[0; 11], &limits).expect_err("eleven bytes");
        assert!(matches!(error, PictureError::TooManyBytes { len: 11, max: 10 }), "{error}");
    }

    /// A PNG that claims 60000 x 60000 pixels in a few dozen bytes.
    fn bomb() -> Vec<u8> {
        let mut bytes = png(1, 1);
        let side = 60_000u32.to_be_bytes();
        bytes.splice(16..24, side.into_iter().chain(side));
        let crc = crc32(&bytes[12..29]).to_be_bytes();
        bytes.splice(29..33, crc);
        bytes
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        !bytes.iter().fold(!0u32, |crc, b| (0..8).fold(crc ^ u32::from(*b), step))
    }

    #[test]
    fn a_decompression_bomb_is_refused_by_its_header() {
        let error = Picture::decode(&bomb(), &PictureLimits::default()).expect_err("3.6 thousand million pixels");
        assert!(matches!(error, PictureError::TooManyPixels { width: 60_000, height: 60_000, .. }), "{error}");
    }

    #[test]
    fn a_photograph_taken_sideways_is_turned_upright() {
        let mut bytes = jpeg(40, 30);
        // APP1 with one EXIF entry: orientation (0x0112) = 6, turn by 90 degrees clockwise.
        let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        bytes.splice(2..2, exif.iter().copied());
        let picture = Picture::decode(&bytes, &PictureLimits::default()).expect("a whole jpeg");
        assert_eq!((picture.width(), picture.height()), (30, 40));
    }

    #[test]
    fn what_is_transparent_is_white_paper() {
        let mut out = Cursor::new(Vec::new());
        let image = image::GrayAlphaImage::from_pixel(2, 2, image::LumaA([0, 0]));
        image.write_to(&mut out, ImageFormat::Png).expect("a small picture is encoded");
        let picture = Picture::decode(&out.into_inner(), &PictureLimits::default()).expect("a whole png");
        assert_eq!(picture.luma(), &[255; 4]);
    }

    #[test]
    fn shrinking_averages_blocks() {
        let picture = Picture::from_luma(4, 2, vec![0, 100, 10, 10, 100, 0, 10, 10]).expect("eight pixels");
        assert_eq!(picture.shrunk(2).luma(), &[50, 10]);
        assert_eq!(Picture::from_luma(3, 3, vec![0; 8]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_get_an_answer(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..200), head in 0usize..3) {
            let mut bytes: Vec<u8> = [&b""[..], &b"\x89PNG\r\n\x1a\n"[..], &b"\xff\xd8\xff"[..]][head].to_vec();
            bytes.extend(tail);
            let _answer = Picture::decode(&bytes, &PictureLimits::default());
        }

        #[test]
        fn any_damaged_byte_gets_an_answer(at in 0usize..400, value in proptest::num::u8::ANY) {
            for mut bytes in [png(20, 20), jpeg(20, 20)] {
                let at = at % bytes.len();
                bytes[at] = value;
                let _answer = Picture::decode(&bytes, &PictureLimits { pixels_max: 100_000, ..PictureLimits::default() });
            }
        }
    }
}
