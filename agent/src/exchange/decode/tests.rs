use super::*;

const TEXT: &[u8] = b"data: {\"choices\":[]}\n\n data: {\"usage\":{\"prompt_tokens\":7}}\n\n";

/// Made with gzip, zlib, brotli and zstd from `TEXT`, and from it a thousand times.
#[track_caller]
fn check(coding: &str, coded: &[u8], expected: &[u8]) {
    for piece in [1, 7, 4096, usize::MAX] {
        let (mut decoder, mut found) = (Decoder::of(Some(coding)), Vec::new());
        for part in coded.chunks(piece.min(coded.len())) {
            decoder.push(part, &mut |bytes| found.extend_from_slice(bytes));
        }
        assert_eq!(decoder.problem(), None, "{coding} in pieces of {piece}");
        assert!(found == expected, "{coding} in pieces of {piece}: {} bytes", found.len());
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn zstd(text: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A brotli stream of one uncompressed meta-block: RFC 7932 section 9.2.
fn brotli(text: &[u8]) -> Vec<u8> {
    // WBITS 16 (one bit 0), ISLAST 0, MNIBBLES 4 (00), MLEN-1 in 16 bits, ISUNCOMPRESSED 1.
    let header = ((text.len() as u32 - 1) << 4) | (1 << 20);
    let mut coded = header.to_le_bytes()[..3].to_vec();
    coded.extend_from_slice(text);
    coded.push(0b11); // ISLAST, ISLASTEMPTY
    coded
}

#[test]
fn every_coding() {
    let long = TEXT.repeat(1000);
    check("gzip", &gzip(TEXT), TEXT);
    check("GZIP", &gzip(&long), &long);
    check("gzip", &[gzip(TEXT), gzip(TEXT)].concat(), &TEXT.repeat(2));
    check("deflate", &zlib(&long), &long);
    check("zstd", &zstd(TEXT), TEXT);
    check("zstd", &zstd(&long), &long);
    check("zstd", &[zstd(TEXT), zstd(TEXT)].concat(), &TEXT.repeat(2));
    check("br", &brotli(TEXT), TEXT);
    check("identity", TEXT, TEXT);
}

#[test]
fn a_stream_is_decoded_as_it_comes() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(TEXT).expect("memory takes all");
    encoder.flush().expect("memory takes all");
    let (mut decoder, mut found) = (Decoder::of(Some("gzip")), Vec::new());
    decoder.push(encoder.get_ref(), &mut |bytes| found.extend_from_slice(bytes));
    assert_eq!(found, TEXT);
}

#[test]
fn what_cannot_be_decoded_is_said() {
    for (coding, bytes) in
        [("gzip", &b"this is not gzip"[..]), ("br", &[0xff; 64]), ("zstd", &[7; 64])]
    {
        let mut decoder = Decoder::of(Some(coding));
        decoder.push(bytes, &mut |_| {});
        assert_eq!(decoder.problem(), Some("content coding is broken"), "{coding}");
    }
    assert_eq!(Decoder::of(Some("compress")).problem(), Some("unknown content coding"));
}

#[track_caller]
fn check_refused(coding: &str, coded: &[u8]) {
    let (mut decoder, mut bytes) = (Decoder::of(Some(coding)), 0);
    decoder.push(coded, &mut |part| bytes += part.len());
    assert_eq!(decoder.problem(), Some("content coding is broken"), "{coding}");
    assert!(bytes <= UNFOLDED_BYTES_MAX, "{coding} unfolded to {bytes} bytes in one step");
}

#[test]
fn what_unfolds_without_measure_is_refused() {
    check_refused("br", BROTLI_OF_64_MIB_OF_ZEROS);
    // A frame that asks for a window of 16 MiB: RFC 8878, section 3.1.1.1.2.
    check_refused(
        "zstd",
        &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 14 << 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
}

/// As a brotli encoder makes it: 64 MiB in 106 bytes.
const BROTLI_OF_64_MIB_OF_ZEROS: &[u8] = &[
    0xcb, 0xff, 0xff, 0x3f, 0xf8, 0x27, 0x00, 0xe2, 0xb1, 0x40, 0x20, 0xf7, 0xfe, 0x8f, 0xff, 0xff,
    0x7f, 0xf0, 0x4f, 0x00, 0xc4, 0x61, 0x11, 0x80, 0xee, 0xfd, 0x1f, 0xff, 0xff, 0xff, 0xe0, 0x9f,
    0x00, 0x88, 0xc3, 0x02, 0x00, 0xdd, 0xfb, 0x3f, 0xfe, 0xff, 0xff, 0xc1, 0x3f, 0x01, 0x10, 0x87,
    0x05, 0x00, 0xba, 0xf7, 0x7f, 0xfc, 0xff, 0xff, 0x83, 0x7f, 0x02, 0x20, 0x0e, 0x0b, 0x00, 0x74,
    0xef, 0xff, 0xf8, 0xff, 0xff, 0x07, 0xff, 0x04, 0x40, 0x1c, 0x16, 0x00, 0xe8, 0xde, 0xff, 0xf1,
    0xff, 0xff, 0x0f, 0xfe, 0x09, 0x80, 0x38, 0x2c, 0x00, 0xd0, 0xbd, 0xff, 0xcb, 0xff, 0xff, 0x3f,
    0xfc, 0x13, 0x00, 0x71, 0x58, 0x00, 0xa0, 0x7b, 0xff, 0x07,
];
