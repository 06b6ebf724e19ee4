//! Undoes a content coding on a copy of the body, so that it can be observed. Knows codings; the bytes
//! that travel are never these.

use std::io::{self, Write};

use ruzstd::decoding::FrameDecoder;

/// Compressed bytes handed to a decoder at once: bounds what one step can unfold to.
const STEP_BYTES: usize = 1024;
/// A step of 1 KiB that unfolds to more than this is made to exhaust memory. gzip cannot get that far; brotli
/// text of a thousand times its coded size would be carried unobserved.
const UNFOLDED_BYTES_MAX: usize = 2 * 1024 * 1024;
const UNFOLDED_BYTES_KEPT: usize = 16 * 1024;
/// A zstd window is held in memory as long as its stream is open. Eight is what every decoder must support.
const ZSTD_WINDOW_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// A zstd block has at most 128 KiB; what waits for its rest is never more than this.
const ZSTD_WAITING_BYTES_MAX: usize = 256 * 1024;
const ZSTD_OUTPUT_BYTES: usize = 64 * 1024;

pub(crate) enum Decoder {
    Identity,
    Gzip(Box<flate2::write::MultiGzDecoder<Unfolded>>),
    Deflate(Box<flate2::write::ZlibDecoder<Unfolded>>),
    Brotli(Box<brotli_decompressor::DecompressorWriter<Unfolded>>),
    Zstd(Box<Zstd>),
    /// The coding is unknown, or the bytes are not of it.
    Blind(&'static str),
}

impl Decoder {
    pub(crate) fn of(content_encoding: Option<&str>) -> Self {
        let Some(coding) = content_encoding else { return Self::Identity };
        match coding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Self::Identity,
            "gzip" | "x-gzip" => {
                Self::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Unfolded::default())))
            }
            "deflate" => {
                Self::Deflate(Box::new(flate2::write::ZlibDecoder::new(Unfolded::default())))
            }
            "br" => {
                let decoder =
                    brotli_decompressor::DecompressorWriter::new(Unfolded::default(), 4096);
                Self::Brotli(Box::new(decoder))
            }
            "zstd" => Self::Zstd(Box::new(Zstd::new())),
            _ => Self::Blind("unknown content coding"),
        }
    }

    pub(crate) fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Blind(why) => Some(why),
            Self::Identity | Self::Gzip(_) | Self::Deflate(_) | Self::Brotli(_) | Self::Zstd(_) => {
                None
            }
        }
    }

    pub(crate) fn push(&mut self, coded: &[u8], out: &mut impl FnMut(&[u8])) {
        if let Self::Identity = self {
            return out(coded);
        }
        for step in coded.chunks(STEP_BYTES) {
            let outcome = match self {
                Self::Identity | Self::Blind(_) => return,
                Self::Gzip(decoder) => {
                    write_step(decoder, step, |decoder| drain(decoder.get_mut(), out))
                }
                Self::Deflate(decoder) => {
                    write_step(decoder, step, |decoder| drain(decoder.get_mut(), out))
                }
                Self::Brotli(decoder) => {
                    write_step(decoder, step, |decoder| drain(decoder.get_mut(), out))
                }
                Self::Zstd(decoder) => decoder.push(step, out),
            };
            if outcome.is_err() {
                *self = Self::Blind("content coding is broken");
                return;
            }
        }
    }
}

fn write_step<W: Write>(
    decoder: &mut W,
    step: &[u8],
    drain: impl FnOnce(&mut W),
) -> io::Result<()> {
    let outcome = decoder.write_all(step).and_then(|()| decoder.flush());
    drain(decoder);
    outcome
}

fn drain(unfolded: &mut Unfolded, out: &mut impl FnMut(&[u8])) {
    if !unfolded.bytes.is_empty() {
        out(&unfolded.bytes);
        unfolded.bytes.clear();
        unfolded.bytes.shrink_to(UNFOLDED_BYTES_KEPT);
    }
}

/// What one step unfolded to, so far; refuses more than is reasonable.
#[derive(Default)]
pub(crate) struct Unfolded {
    bytes: Vec<u8>,
}

impl Write for Unfolded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > UNFOLDED_BYTES_MAX {
            return Err(io::Error::other("a step unfolds too far"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Frames of zstd, block by block.
pub(crate) struct Zstd {
    decoder: FrameDecoder,
    waiting: Vec<u8>,
    in_frame: bool,
}

impl Zstd {
    fn new() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW_BYTES_MAX);
        Self { decoder, waiting: Vec::new(), in_frame: false }
    }

    fn push(&mut self, coded: &[u8], out: &mut impl FnMut(&[u8])) -> io::Result<()> {
        self.waiting.extend_from_slice(coded);
        if self.waiting.len() > ZSTD_WAITING_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        while self.start_frame()? {
            let mut decoded = [0; ZSTD_OUTPUT_BYTES];
            let (read, written) = self
                .decoder
                .decode_from_to(&self.waiting, &mut decoded)
                .map_err(io::Error::other)?;
            self.waiting.drain(..read);
            out(&decoded[..written]);
            if self.decoder.is_finished() && self.decoder.can_collect() == 0 {
                self.in_frame = false;
            } else if read == 0 && written == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// True when a frame is open and may be decoded further.
    fn start_frame(&mut self) -> io::Result<bool> {
        /// Magic number and the longest frame header.
        const FRAME_HEADER_BYTES_MAX: usize = 18;
        if self.in_frame {
            return Ok(true);
        }
        if self.waiting.is_empty() {
            return Ok(false);
        }
        let mut source = self.waiting.as_slice();
        match self.decoder.reset(&mut source) {
            Ok(()) => {
                let read = self.waiting.len() - source.len();
                self.waiting.drain(..read);
                self.in_frame = true;
                Ok(true)
            }
            Err(_) if self.waiting.len() < FRAME_HEADER_BYTES_MAX => Ok(false),
            Err(problem) => Err(io::Error::other(problem)),
        }
    }
}

#[cfg(test)]
mod tests;
