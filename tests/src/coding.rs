//! Content codings, on the side that encodes. Knows bytes only.

use std::io::Write;

use anyhow::{Result, bail};
use bytes::Bytes;

/// Encodes `body` as a provider with this `Content-Encoding` would.
pub fn encode(coding: &str, body: &[u8]) -> Result<Bytes> {
    match coding {
        "gzip" => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(body)?;
            Ok(encoder.finish()?.into())
        }
        "deflate" => {
            let mut encoder =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(body)?;
            Ok(encoder.finish()?.into())
        }
        "br" => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 20);
            encoder.write_all(body)?;
            Ok(encoder.into_inner().into())
        }
        "zstd" => {
            use ruzstd::encoding::{CompressionLevel, compress_to_vec};
            Ok(compress_to_vec(body, CompressionLevel::Fastest).into())
        }
        "identity" => Ok(Bytes::copy_from_slice(body)),
        other => bail!("the rig does not know the content coding {other}"),
    }
}
